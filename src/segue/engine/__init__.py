"""The model behind one small interface: the only package that imports llama_cpp, and it speaks token ids."""
