"""Changes a parsed template so that it reports where it is, and so that its values stay small.

The calls are written as filters, which compiled templates call directly; their names cannot be spelled in Jinja.
"""

from typing import Any

from jinja2 import nodes

TICK, VISIT, END_LOOP, ADD, MULTIPLY, POWER, JOIN = " tick", " visit", " end", " add", " multiply", " power", " join"
_OPERATORS: dict[type[nodes.Expr], str] = {nodes.Add: ADD, nodes.Mul: MULTIPLY, nodes.Pow: POWER}


class Hooks:
    """Inserts the calls into one template, whose text stays the same.

    A loop that writes reports each item that it takes, and its end; around it, an assignment reports an element that
    it named. Other loops and macros report that they begin, which is enough to stop them in time: what a single
    loop runs over is bounded, and some templates run over all messages for each message.
    """

    def __init__(self) -> None:
        self._n_sites = 0

    def insert(self, tree: nodes.Node, *, is_silent: bool = False) -> None:
        """Change `tree` in place; what `is_silent` writes nothing."""
        for field, value in list(tree.iter_fields()):
            if isinstance(value, list):
                setattr(tree, field, [new for child in value for new in self._replace(child, is_silent)])
            elif isinstance(value, nodes.Node):
                setattr(tree, field, self._replace(value, is_silent)[0])

    def _replace(self, child: Any, is_silent: bool) -> list[Any]:
        if not isinstance(child, nodes.Node):
            return [child]
        line = child.lineno
        is_silent = is_silent or (isinstance(child, nodes.For) and not _writes(child))
        self.insert(child, is_silent=is_silent)
        if isinstance(child, nodes.BinExpr) and type(child) in _OPERATORS:
            return [_filter(_OPERATORS[type(child)], [child.left, child.right], line)]
        if isinstance(child, nodes.Concat):
            return [_filter(JOIN, child.nodes, line)]
        if isinstance(child, nodes.For) and is_silent:
            return [_statement(TICK, [nodes.Const(None)], line), child]
        if isinstance(child, nodes.For):
            site = self._next_site()
            child.body = [_statement(VISIT, [site, *_item(child)], line), *child.body]
            return [child, _statement(END_LOOP, [site], line)]
        if isinstance(child, nodes.Macro | nodes.CallBlock):
            child.body = [_statement(TICK, [nodes.Const(None)], line), *child.body]
        elif isinstance(child, nodes.Assign) and not is_silent and (name := _element_name(child)):
            return [child, _statement(VISIT, [self._next_site(), nodes.Name(name, "load")], line)]
        return [child]

    def _next_site(self) -> nodes.Const:
        self._n_sites += 1
        return nodes.Const(self._n_sites)


def _writes(loop: nodes.For) -> bool:
    """Whether a loop can write anything but white space."""
    if any(loop.find_all((nodes.CallBlock, nodes.FilterBlock, nodes.Block, nodes.Include))):
        return True
    pieces = [piece for output in loop.find_all(nodes.Output) for piece in output.nodes]
    return any(not isinstance(piece, nodes.TemplateData) or piece.data.strip() for piece in pieces)


def _element_name(assign: nodes.Assign) -> str:
    """The name that an assignment gives to an element of something; empty for other assignments."""
    if not isinstance(assign.target, nodes.Name) or not isinstance(assign.node, nodes.Getitem):
        return ""
    key = assign.node.arg
    is_field = isinstance(key, nodes.Const) and isinstance(key.value, str)
    return "" if is_field or isinstance(key, nodes.Slice) else assign.target.name


def _item(loop: nodes.For) -> list[nodes.Expr]:
    """The values that a loop takes up: its item, and `x` where it runs over indices and uses `x[item]`."""
    if not isinstance(loop.target, nodes.Name):
        return [nodes.Const(None)]
    item = nodes.Name(loop.target.name, "load")
    if isinstance(loop.iter, nodes.Call):
        for found in loop.find_all(nodes.Getitem):
            if found.arg == item and isinstance(found.node, nodes.Name):
                return [item, nodes.Name(found.node.name, "load")]
    return [item]


def _filter(name: str, arguments: list[nodes.Expr], line: int) -> nodes.Expr:
    call = nodes.Filter(arguments[0], name, arguments[1:], [], None, None)
    call.set_lineno(line, override=True)
    return call


def _statement(name: str, arguments: list[nodes.Expr], line: int) -> nodes.Node:
    return nodes.ExprStmt(_filter(name, arguments, line), lineno=line)
