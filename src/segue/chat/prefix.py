"""The length of the common prefix of two texts."""


def common_prefix(a: str, b: str) -> int:
    """Length of the longest common prefix; compares by halves, since character by character is slow in Python."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low
