"""Raw rows → `data/<task>/`: one small file per task, e.g. `python preprocess/rte.py`."""
