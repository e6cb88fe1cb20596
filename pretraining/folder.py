"""The folder of a student's models: what is there already, the models themselves, and their cards."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from transformers import BertModel, PreTrainedTokenizerFast

from pretraining.flags import PretrainFlags, fixed
from pretraining.made_by import MADE_BY, check_made_by, made_by
from utils.errors import UserError
from utils.machine.durable import held, remove_halves, whole_file, whole_folder
from utils.machine.new_folder import make_folder
from utils.model.pretraining import CARD, sentence
from utils.record.runlog import versions


class Models:
    """A folder that this process holds. `checkpoint` is where the training is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.checkpoint = folder, folder / "checkpoint.safetensors"

    @classmethod
    @contextmanager
    def opened(cls, flags: PretrainFlags) -> Iterator["Models"]:
        """Hold `--out` inside the `with`, made if it is absent.

        Where nothing is made in it, it goes again. Raises UserError where another process is at work there, or it holds
        something else, or models of other flags.
        """
        out = Path(flags.out)
        try:
            if out.is_dir() and any(out.iterdir()) and not (out / MADE_BY).is_file() and not (out / "lock").is_file():
                raise UserError(f"--out {out}: holds something else; name a new folder")
            make_folder(out, f"--out {out}")
            with held(out / "lock"):
                remove_halves(out)
                models = cls(out)
                check_made_by(flags)
                try:
                    yield models
                finally:
                    if {path.name for path in out.iterdir()} == {"lock"}:  # nothing could be made
                        shutil.rmtree(out)
        except BlockingIOError:
            raise UserError(f"--out {out}: another process is at work there; name another folder") from None

    def begin(self, flags: PretrainFlags, text_fingerprint: str) -> None:
        """Write down what the models are of. Raises UserError where those that are there are of another text."""
        if made_by(self.folder).get("text_fingerprint", text_fingerprint) != text_fingerprint:
            raise UserError(f"--out {self.folder}: the models there are of another text: the tables or files have "
                            "changed since; name another folder")
        with whole_file(self.folder / MADE_BY) as path:
            found = fixed(flags) | {"text_fingerprint": text_fingerprint}
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def has(self, label: str) -> bool:
        """Return whether the model of a budget is there, whole."""
        return (self.folder / label / CARD).is_file()

    def write(self, label: str, student: BertModel, tokenizer: PreTrainedTokenizerFast, card: Mapping[str, Any]
              ) -> None:
        """Write a budget's model, whole or not at all, with its cards: for programs CARD, for people README.md."""
        with whole_folder(self.folder / label) as new:
            student.save_pretrained(new)
            tokenizer.save_pretrained(new)
            (new / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
            (new / "README.md").write_text(str(readme(card)), encoding="utf-8")


def readme(card: Mapping[str, Any]) -> ModelCard:
    """Return the card for people and for the hub."""
    name = f"bert-{card['layers']}x{card['hidden']}-{card['tokens']}-tokens-seed{card['seed']}"
    data = ModelCardData(model_name=name, library_name="transformers", tags=["pre-trained-in-miniature"])
    parts = [f"# {name}", f"A BERT of {card['layers']} layers, {card['hidden']} wide: {card['parameters']:,} "
             f"parameters, {card['body_parameters']:,} of them in its layers and pooler.", sentence(card)]
    if card["teacher_flops"]:
        parts.append(f"The teacher's part, not counted above: {card['teacher_flops']:.4g} FLOPs, each text read once.")
    parts.append("Versions: " + ", ".join(f"{library} {version}" for library, version in versions().items()) + ".")
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")
