"""Merging finished models: the methods of strategies/ over saved safetensors, a window at a time."""
