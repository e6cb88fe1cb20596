"""The card of a merged model, its folder's README.md: parents, base, method, the step made, and results."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from engine.merging import Merged
from merging.evaluation import Evaluated
from merging.models import SavedModel
from merging.plan import Plan
from merging.records import origin_of
from merging.table import tables_of
from reports.tables import markdown, markdown_text
from utils.config import RunConfig
from utils.hub_names import with_layers
from utils.plugins import STRATEGIES
from utils.record.card import Facts, eval_results, given, hub_id, license_of, model_called
from utils.record.runlog import versions


def write_card(folder: Path, plan: Plan, config: RunConfig, done: Merged | None, evaluated: Evaluated | None) -> None:
    """Write the card of the merged model in `folder`; it names no path of this machine."""
    (folder / "README.md").write_text(str(card_of(plan, config, done, evaluated)), encoding="utf-8")


def card_of(plan: Plan, config: RunConfig, done: Merged | None, evaluated: Evaluated | None) -> ModelCard:
    """Return the card."""
    name = f"{config.strategy} of {len(plan.models)} models"
    ids = dict.fromkeys(found for model in plan.models if (found := hub_id(model.name)))
    licenses = {license_of(model.folder) for model in plan.models}
    data = ModelCardData(
        model_name=name, library_name="transformers", base_model=[*ids] or None,
        license=licenses.pop() if len(licenses) == 1 else None, tags=["merge", "parameter-averaging"],
        eval_results=None if evaluated is None else eval_results(
            evaluated.data.table.spec, {**evaluated.merged}, Facts(
                0, {each.name: each.split for each in evaluated.data.chosen},
                data_commit=evaluated.data.table.commit)))
    frame, sentence = plan.fitted.frame, STRATEGIES.sentence(config.strategy) or "as its file says."
    parts = [f"# {name}", f"Merged by `{config.strategy}`{given(config.strategy_flags)}: {sentence}",
             "## Models", table_of(plan), weights_of(plan, config), *base_of(plan), *step_of(config, done)]
    if plan.fitted.averaged:
        parts.append(f"Averaged, as the base has none of them: {names(plan.fitted.averaged)}.")
    if plan.fitted.from_zero:
        parts.append(f"Measured from zero, as the base has none of them: {names(plan.fitted.from_zero)}.")
    if plan.fitted.copied:
        parts.append(f"Kept as `{model_called(frame.name)}` has them: {names(plan.fitted.copied)}.")
    parts.append(f"Configuration and tokenizer are those of `{model_called(frame.name)}`; all numbers are float32.")
    if evaluated is not None:
        parts += ["## Results", *(markdown(table) for table in tables_of(evaluated, model_called))]
    parts.append("Versions: " + ", ".join(f"{library} {version}" for library, version in versions().items()) + ".")
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def table_of(plan: Plan) -> str:
    """Return the models with their weights, and what is known of each."""
    lines = ["| model | weight | commit | trained from | rows |", "|---" * 5 + "|"]
    for model, weight in zip(plan.models, plan.weights):
        origin = origin_of(model)
        start = ""
        if origin:
            start = with_layers(model_called(origin.start), origin.layers) if origin.start else "random weights"
        lines.append(f"| {called(model)} | {weight} | {model.commit} | {markdown_text(start)} | "
                     f"{origin.rows if origin else ''} |")
    return "\n".join(lines)


def weights_of(plan: Plan, config: RunConfig) -> str:
    """Return what the weights are by, and what they are for."""
    if STRATEGIES.load(config.strategy).weighted:
        return f"Weights: {plan.weighed_by}."
    return f"The method counts models alike; the weights are those of their mean, beside it: {plan.weighed_by}."


def base_of(plan: Plan) -> list[str]:
    """Return what the models are updates of."""
    if plan.base is None:
        return ["Without a base: the models themselves are merged, measured from zero."]
    commit = f" (commit `{plan.base.commit}`)" if plan.base.commit else ""
    return [f"They are updates of the base {called(plan.base)}{commit}."]


def step_of(config: RunConfig, done: Merged | None) -> list[str]:
    """Return how far the merge has moved from the base, beside the weighted mean."""
    if done is None or done.step.ratio is None:
        return []
    cosine = "" if done.step.cosine is None else f", at a cosine of {done.step.cosine:.4f} with it"
    matched = ", rescaled to that (`--match_norm`)" * config.match_norm
    return [f"What is merged is {done.step.ratio:.4f} times as long as the weighted mean of the updates{cosine}"
            f"{matched}."]


def called(model: SavedModel) -> str:
    """Return a model's name as the card has it."""
    return markdown_text(model_called(model.name))


def names(tensors: Sequence[str] | dict) -> str:
    """Return the names of tensors."""
    return ", ".join(f"`{name}`" for name in tensors)
