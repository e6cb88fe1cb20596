"""PEFT adapters among the models of a merge: each is merged into its base first."""

from pathlib import Path

from merging.flags import Asked
from merging.models import SavedModel, folder_of, open_model
from utils.errors import UserError
from utils.model import loading
from utils.model.adapter import CONFIG


def opened(asked: Asked, scratch: Path, name: str, flag: str = "") -> SavedModel:
    """Return the model that `name` stands for, given by `flag` ("": by none); an adapter's lies whole in `scratch`.

    The base has no need of a head. Raises UserError, naming the model, for an adapter whose head is not known, as
    `--data` is absent, and as `open_model` and `loading.load` do.
    """
    folder, called = folder_of(name, flag), f"--{flag} " * bool(flag) + name
    if (folder / CONFIG).is_file():
        if not asked.flags.data:
            raise UserError(f"{called}: is a PEFT adapter: give --data TASK, which says what "
                            "head its model has")
        import preprocess.common as preprocess

        config, spec = asked.config, preprocess.load(asked.flags.data).SPEC
        wanted = loading.Wanted(name, config.seed, config.max_length, text_to_text=config.text_to_text,
                                trained=flag != "base", called=called)
        folder = scratch / f"whole-{len([*scratch.iterdir()])}"
        loading.save(*loading.load(wanted, spec), folder)
    return open_model(name, flag, folder)
