"""Models that do not fit together: one line that names the model and the place."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BertForTokenClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    RobertaModel,
)

from merging.plan import plan_of
from tests.loading import edit
from tests.merging.children import asked, child
from tests.tiny import tiny_once
from utils.errors import UserError


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def spoilt(base, tmp_path, spoil, number=1):
    """Return two models' folders, the second a copy that `spoil` has changed."""
    folder = tmp_path / "spoilt"
    shutil.copytree(child(base, "bert", number), folder)
    spoil(folder)
    return child(base, "bert", 0), folder


def tokenizer_changed(change):
    """Return what changes the JSON of a folder's tokenizer."""
    def spoil(folder):
        path = folder / "tokenizer.json"
        tokenizer = json.loads(path.read_text())
        change(tokenizer)
        path.write_text(json.dumps(tokenizer))
    return spoil


def weights_changed(change):
    """Return what changes the tensors of a folder."""
    def spoil(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors",
                  {"format": "pt"})
    return spoil


@tokenizer_changed
def another_vocabulary(tokenizer):
    vocabulary = tokenizer["model"]["vocab"]
    first, second = [word for word in vocabulary if word.isalpha()][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]


QUERY = "bert.encoder.layer.0.attention.self.query.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: edit(folder, hidden_act="relu"), "hidden_act in its config.json is 'relu', and 'gelu' in"),
    (lambda folder: edit(folder, hidden_size=16), "embeddings.LayerNorm.bias is F32 [32], and its config.json's bert"),
    (lambda folder: edit(folder, id2label={"0": "positive", "1": "negative"}),
     "the labels of its head are in another order, positive, negative, than those of"),
    (lambda folder: edit(folder, id2label={"0": "yes", "1": "maybe"}),
     "its head is for another task, BertForSequenceClassification (yes, maybe), than that of"),
    (another_vocabulary, "its tokenizer has another vocabulary: "),
    (lambda folder: edit(folder, "tokenizer_config.json", do_lower_case=False), "its tokenizer has another normalizer"),
    (weights_changed(lambda tensors: tensors.pop(QUERY)), f"{QUERY} is missing; give a whole model"),
    (weights_changed(lambda tensors: tensors.pop("classifier.bias")), "classifier.bias is missing; give a whole model"),
    (weights_changed(lambda tensors: tensors.update({QUERY: tensors[QUERY].int()})), f"{QUERY} is I32 [32, 32]"),
    (weights_changed(lambda tensors: tensors.update({QUERY: tensors[QUERY][:3]})), f"{QUERY} is F32 [3, 32]"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "model.safetensors: "),
    (lambda folder: (folder / "model.safetensors").unlink(), "no weights there"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "it has no tokenizer"),
    (lambda folder: (folder / "config.json").unlink(), "no model there (no config.json)"),
])
def test_a_model_that_does_not_fit_is_named_with_the_place(base, tmp_path, spoil, words):
    with pytest.raises(UserError) as raised:
        plan_of(asked(*spoilt(base, tmp_path, spoil), "--out", tmp_path / "out"), tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'spoilt'}: ") and words in str(raised.value)


def test_another_architecture_or_size_is_named(base, tmp_path):
    for family, words in (("electra", "is a electra model, and"), ("roberta", "is a roberta model, and")):
        with pytest.raises(UserError, match=f"{family}.*{words}.* is a bert one"):
            plan_of(asked(child(base, "bert", 0), child(base, family, 0), "--out", tmp_path / "out"), tmp_path)
    larger = shutil.copytree(child(base, "bert", 1), tmp_path / "larger")
    edit(larger, max_position_embeddings=300)
    weights_changed(lambda tensors: tensors.update(
        {"bert.embeddings.position_embeddings.weight": tensors["bert.embeddings.position_embeddings.weight"][:300]})
    )(larger)
    with pytest.raises(UserError, match=r"larger: embeddings.position_embeddings.weight is \[300, 32\], and "
                                        r"\[512, 32\] in .*bert-0"):
        plan_of(asked(child(base, "bert", 0), larger, "--out", tmp_path / "out"), tmp_path)


def test_a_base_may_have_a_pooler_that_no_head_of_its_family_reads(base, tmp_path):
    parent, models = tiny_once(base, "roberta"), [child(base, "roberta", k) for k in (0, 1)]
    with_pooler = RobertaModel.from_pretrained(parent, add_pooling_layer=True)
    with_pooler.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(parent).save_pretrained(tmp_path / "base")
    words = asked(*models, "--base", tmp_path / "base", "--strategy", "ties", "--out", tmp_path / "out")
    plan = plan_of(words, tmp_path)
    assert "roberta.encoder.layer.0.attention.self.query.weight" in plan.fitted.merged
    assert not any("pooler" in key for key in plan.fitted.merged)


@pytest.mark.parametrize("change, words", [
    ({"rope_parameters": {"full_attention": {"rope_theta": 7.0, "rope_type": "default"},
                          "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}}, "rope_parameters"),
    ({"hidden_activation": "relu"}, "hidden_activation in its config.json is 'relu', and 'gelu' in"),
    ({"local_attention": 16}, "local_attention in its config.json is 16, and 128 in"),
    ({"classifier_pooling": "mean"}, "classifier_pooling in its config.json is 'mean', and 'cls' in"),
    ({"attention_dropout": 0.3, "classifier_dropout": 0.2, "initializer_range": 0.5, "bos_token_id": 3}, ""),
])
def test_what_changes_what_a_model_computes_is_compared_whatever_its_name(base, tmp_path, change, words):
    one, other = base / "modernbert", tmp_path / "spoilt"
    if not one.exists():
        tokenizer = AutoTokenizer.from_pretrained(tiny_once(base, "bert"))
        config = ModernBertConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                                  num_attention_heads=2, pad_token_id=0)
        ModernBertForSequenceClassification(config).save_pretrained(one)
        tokenizer.save_pretrained(one)
    edit(shutil.copytree(one, other), **change)
    question = asked(one, other, "--out", tmp_path / "out")
    if not words:
        assert plan_of(question, tmp_path).fitted.merged
        return
    with pytest.raises(UserError) as raised:
        plan_of(question, tmp_path)
    assert str(raised.value).startswith(f"{other}: ") and words in str(raised.value)


def test_a_number_that_is_not_finite_is_found_in_its_tensor(base, tmp_path):
    from merging.write import write_model
    from utils.machine.new_folder import new_folder

    spoil = weights_changed(lambda tensors: tensors[WORDS][7].fill_(float("nan")))
    question = asked(*spoilt(base, tmp_path, spoil), "--out", tmp_path / "out")
    with pytest.raises(UserError, match=f"spoilt: {WORDS} holds NaN or infinity"), \
            new_folder(tmp_path / "out") as folder:
        write_model(plan_of(question, tmp_path), question.config, folder)
    assert not (tmp_path / "out").exists()


def test_labels_that_are_spelt_otherwise_are_the_same(base, tmp_path):
    models = spoilt(base, tmp_path, lambda folder: edit(folder, id2label={"0": "NEG", "1": "Pos"}))
    assert plan_of(asked(*models, "--out", tmp_path / "out"), tmp_path).fitted.merged


@pytest.mark.parametrize("words, error", [
    ("--strategy fedprox", "--strategy fedprox: is in part what clients do as they train"),
    ("--strategy fedavgm", "--strategy fedavgm: acts on what training has changed, and these models do not all name"),
    ("--weights 1", "--weights 1: must be 2 numbers as 3 or 0.25"), ("--weights 1,x", "must be 2 numbers"),
    ("--weights 1,2 --strategy magmax", "--weights 1,2: --strategy magmax counts models alike: leave --weights out"),
    ("--weights 0,0", "must be 2 numbers"), ("--weights 1,1e99", "must be 2 numbers"),
    ("--weights 1,-1", "must be 2 numbers"),
    ("--weights -1,2", "--weights -1,2: must be 2 numbers as 3 or 0.25, one for each model, with commas between them; "
                       "none below 0, nor with an exponent, and not all 0"),
    ("--weights 1e3,1", "--weights 1e3,1: must be 2 numbers"),
    ("--base no/such-model", "--base no/such-model: not in the local cache"),
    ("--base {tiny}/roberta", "--base {tiny}/roberta: is a roberta model, and"),
    ("--head {tiny}/bert", "--head {tiny}/bert: has no head to keep"),
])
def test_a_flag_that_cannot_be_is_one_line(base, tmp_path, words, error):
    tiny_once(base, "roberta")
    words, error = (text.format(tiny=base / "tiny") for text in (words, error))
    models = child(base, "bert", 0), child(base, "bert", 1)
    with pytest.raises(UserError) as raised:
        plan_of(asked(*models, "--out", tmp_path / "out", *words.split()), tmp_path)
    assert error in str(raised.value)


@pytest.mark.parametrize("words, error", [
    ("", "--out: name the folder"), ("--out x --data rtee", "--data rtee: no such task; nearest: rte"),
    ("--out x --strategy averagin", "--strategy averagin: no such strategy; nearest: averaging"),
    ("--out x --trim 0.2", "--trim: is a flag of --strategy trimmed_mean; --strategy averaging has no such flag"),
    ("--out x other", "other: name all models before the flags"),
    ("--out x --strategy flora", "--strategy flora: averages adapters in rounds; merge finished models by another"),
    ("--out x --lr 1", "unrecognized arguments: --lr 1"), ("--out x --test -1", "--test -1: must be a whole number"),
    ("--out x --strategy trimmed_mean --trim 0.7", "--trim 0.7: must be a number from 0 to below 0.5"),
])
def test_a_wrong_command_line_exits_with_2_and_one_line(capsys, words, error):
    with pytest.raises(SystemExit) as stop:
        asked("log/a", "log/b", *words.split())
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.out == "" and said.err.count("\n") == 1 and error in said.err


def test_other_merges_of_one_vocabulary_are_another_tokenizer(base, tmp_path):
    other = shutil.copytree(child(base, "roberta", 1), tmp_path / "other")
    tokenizer_changed(lambda tokenizer: tokenizer["model"]["merges"].reverse())(other)
    with pytest.raises(UserError, match="other: its tokenizer has another merges than that of .*roberta-0"):
        plan_of(asked(child(base, "roberta", 0), other, "--out", tmp_path / "out"), tmp_path)


def test_only_bodies_are_compared_where_a_head_is_kept(base, tmp_path):
    """A head of another task may lack a tensor, or have other settings."""
    other = shutil.copytree(child(base, "bert", 1, ("a", "b", "c")), tmp_path / "other")
    edit(other, classifier_dropout=0.5, pooler_hidden_size=7)
    weights_changed(lambda tensors: tensors.pop("classifier.weight"))(other)
    words = child(base, "bert", 0), other, "--out", tmp_path / "out"
    assert plan_of(asked(*words, "--head", child(base, "bert", 0)), tmp_path).fitted.merged
    for more in ((), ("--head", other)):
        with pytest.raises(UserError, match="other: classifier.weight is missing; give a whole model"):
            plan_of(asked(*words, *more), tmp_path)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_pooler_that_not_all_bodies_have_is_the_kept_heads_own(base, tmp_path, kept):
    folders = [child(base, "bert", 0), shutil.copytree(child(base, "bert", 1), tmp_path / "other")]
    config = AutoConfig.from_pretrained(folders[1])
    BertForTokenClassification(config).save_pretrained(folders[1])  # it reads no pooler
    fitted = plan_of(asked(*folders, "--head", folders[kept], "--out", tmp_path / "out"), tmp_path).fitted
    assert not any("pooler" in key for key in fitted.merged)
    assert any("pooler" in key for key in fitted.copied) == (not kept)


def test_the_tokenizers_are_compared_as_the_files_have_them(base, tmp_path):
    """A copy without special settings is the same vocabulary."""
    folder = shutil.copytree(child(base, "bert", 1), tmp_path / "again")
    AutoTokenizer.from_pretrained(folder, model_max_length=77).save_pretrained(folder)
    assert plan_of(asked(child(base, "bert", 0), folder, "--out", tmp_path / "out"), tmp_path).weights == (1, 1)
