"""The model behind one small interface in token ids; the only package that imports llama_cpp."""
