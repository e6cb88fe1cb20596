"""The law, from made-up records of ladders: which models are rungs, what lines go through, what is said and drawn."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from reports.axes import COMPUTE, FACTORS, FIGURE_1, POWER, factor_rungs
from reports.contents import contents
from reports.law import corrected, laws, stacked
from reports.law_figure import draw_laws, spread
from reports.law_table import law_csv, law_sentences, law_tables, slope_cell
from reports.lines import Line
from reports.pretrained import amount
from reports.records import read_records
from reports.sections import html_sections
from reports.style import drawing
from tests.reports.toy_ladder import card, write_ladder, write_rung
from tests.reports.toy_records import write_run


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Five models with a probe, one of them too weak to learn, and six that were pre-trained in miniature."""
    folder = write_ladder(tmp_path_factory.mktemp("ladder"), slope=0.5, zero=0.7)
    gains = {"iid-linear": 0.0, "noniid-linear": -0.01}
    cards = {"0": card(0), "250k": card(250_200), "1M": card(1_000_300), "small": card(1_000_000, vocabulary=500),
             "one": card(1_000_200, domains=("sentiment/movie",), vocabulary=3900)}
    for name, each in cards.items():
        write_rung(folder, name, 0.66, gains, pretraining=each)
    return contents(read_records([folder]))


def law_of(found, mixture, evaluated, axis):
    one, = (law for law in found.laws if (law.mixture, law.evaluated, law.axis) == (mixture, evaluated, axis))
    return one


def test_seeds_of_one_pretraining_are_one_model_and_others_are_not(found):
    by_model = {one.model: {run.config["flags"]["model"] for runs in one.methods.values() for run in runs}
                for one in found.records.comparisons}
    assert len(by_model) == 10
    assert by_model["1M (2 x 128, distillation, 1M tokens of movie+product, 4k pieces)"] == {
        f"log/models/seed{seed}/1M" for seed in (1, 2, 3)}
    assert [amount(number) for number in (0, 500, 3_900, 250_200, 1_000_300, 2e9)] == [
        "0", "500", "3.9k", "250k", "1M", "2G"]


def test_models_of_other_flags_are_others_and_their_names_say_in_what(tmp_path):
    gains = {"iid-linear": 0.0}
    same = {"threads": 2, "domains": "movie,sentiment/product"}  # threads, and all domains by other names
    for place, (tokens, asked) in enumerate(((10_490, {}), (10_510, same), (10_500, {"learns": "mean"}))):
        each = card(tokens) | {"budget": 10_000}
        each["asked"] |= asked
        write_rung(tmp_path / str(place), "10k", 0.66, gains, pretraining=each, seeds=(place,), rows=20)
    write_rung(tmp_path, "1M", 0.66, gains, pretraining=card(1_000_000), rows=20)
    found = contents(read_records([tmp_path]))
    name = "10k (2 x 128, distillation, 10k tokens of movie+product, 4k pieces, learns"
    assert {one.model: [run.seed for run in one.methods["iid-linear"]] for one in found.records.comparisons} == {
        f"{name} both)": [0, 1], f"{name} mean)": [2], f"{name.replace('10k', '1M')} both)": [1, 2, 3]}
    rungs = found.ladders["toy"]
    assert sorted(rung.name for rung in rungs) == ["10k tokens", "10k tokens, learns mean", "1M tokens"]
    assert sorted(rung.name for rung in factor_rungs(rungs)[FACTORS[0]]) == ["10k tokens", "1M tokens"]


def test_models_that_each_seed_has_its_own_of_are_one_rung_by_their_folder(tmp_path):
    for place, (step, power) in enumerate({"20k": 0.7, "200k": 0.75, "2000k": 0.8}.items()):
        write_rung(tmp_path, f"models/seed{{seed}}/multiberts-step_{step}", power, {"iid-linear": 0.01 * place},
                   rows=100)
    found = contents(read_records([tmp_path]))
    law = law_of(found, "iid", "test", COMPUTE)
    assert [point.rung for point in law.points] == [f"multiberts-step_{step}" for step in ("20k", "200k", "2000k")]
    assert law.seeds == (1, 2, 3) and law.line is not None
    assert {sets[0].compared.model for sets in found.judged} == {point.rung for point in law.points}


def test_a_model_in_a_folder_of_one_seed_is_one_model_to_all_seeds(tmp_path):
    for seed in (1, 2, 3):
        write_run(tmp_path / str(seed), "iid", seed, (0.6, 0.5), model="log/models/seed1/small")
    one, = read_records([tmp_path]).comparisons
    assert one.model == "log/models/seed1/small" and [run.seed for run in one.methods["iid"]] == [1, 2, 3]


def test_a_line_is_least_squares_of_the_models_mean_gains_at_their_probes_scores(found):
    law = law_of(found, "iid", "test", POWER)
    judged = {sets[0].compared.model: sets[0] for sets in found.judged}
    for point in law.points:
        if point.rung in judged:  # the hub's models go by their own names
            probe = judged[point.rung].compared.methods["centralized-head-linear"]
            assert point.x == pytest.approx(100 * np.mean([run.summary["test"][run.metric] for run in probe]))
            assert point.gain is judged[point.rung].gains["iid-linear"][None]
    slope, offset = np.polyfit([point.x for point in law.points], [point.gain.mean for point in law.points], 1)
    assert law.line.slope.mean == pytest.approx(slope) and law.line.crossing.at == pytest.approx(-offset / slope)
    assert law.line.gains.shape == (3, len(law.points), 2001) and law.seeds == (1, 2, 3)


def test_each_draw_of_rows_is_the_same_for_all_models_and_other_rows_leave_the_seeds_alone(found):
    rungs = found.ladders["toy"]
    cells = [rung.cells["test", "iid"] for rung in rungs]
    assert all(np.array_equal(cell.rows, cells[0].rows) and len(cell.rows) == 600 for cell in cells)
    line = law_of(found, "iid", "test", POWER).line
    last = next(sets[0] for sets in found.judged if sets[0].compared.model == "m5")
    ours, theirs = (last.drawn.of(last.compared.methods[name][1]) for name in ("iid-linear", "centralized-linear"))
    assert np.array_equal(line.gains[1, -1], ours - theirs)
    other = replace(cells[0], rows=cells[0].rows + 1)
    moved = [replace(rungs[0], cells={("test", "iid"): other}), *rungs[1:]]
    assert laws({"toy": moved})[0].line.gains.shape[2] == 1 < line.gains.shape[2]


def test_a_seed_without_all_answers_leaves_the_rows_part_to_the_others(found):
    random, x = np.random.default_rng(0), np.arange(3.0)
    gains = [[0.1 * rung + 0.01 * random.normal(size=2001) for rung in range(3)] for _ in range(4)]
    whole = Line(x, stacked(gains)).slope
    gains[2][1] = gains[2][1][:1]  # a run that lacks its answers
    part = replace(found.laws[0], line=Line(x, stacked(gains)), seeds=(1, 2, 3, 4))
    slope = part.line.slope
    assert (slope.mean, slope.by_seeds) == pytest.approx((whole.mean, whole.by_seeds))
    assert (slope.by_rows, slope.both) == pytest.approx((whole.by_rows, whole.both), rel=0.1) and part.over_rows
    none = replace(part, line=Line(x, stacked([[each[:1] for each in of_seed] for of_seed in gains])))
    assert none.line.slope.by_rows == 0 and none.has_interval and not none.over_rows
    assert law_tables([none])[0].notes[-1] == "Over seeds alone, as no seed has the answers to the same rows of all " \
                                              "rungs: iid, test."


def test_the_law_shows_in_a_sentence_by_iid_on_test_rows(found):
    sentence, = law_sentences(found.laws)
    assert sentence.startswith("The law shows: yes. On toy (iid, test) averaging's gain changes by +0.")
    assert sentence == found.headline and " points for each point of representation power (" in sentence
    assert found.text().startswith(sentence)
    assert found.findings[2].startswith(f"{law_of(found, 'noniid', 'test', POWER).verdict}: toy (noniid, test) averag")


def test_where_fine_tuning_alone_has_learnt_averaging_has_lost_and_where_neither_has_there_is_no_point(found):
    law = law_of(found, "iid", "test", POWER)
    ahead, behind = (sum(point.gain.verdict == word for point in law.points) for word in ("ahead", "behind"))
    assert law.unlearnt == ["m1"] and not law.lacking and law.points[0].gain.mean < -0.03
    assert (f"; it is ahead on {ahead} and behind on {behind} of the rungs, and has not learnt on 1 on which "
            "fine-tuning has") in law_sentences(found.laws)[0]
    assert (f"iid, test: fine-tuning has learnt, averaging has not (without these the slope is "
            f"{slope_cell(law, law.of_learnt)}): m1.") in law_tables([law])[0].notes
    slope, _ = np.polyfit([point.x for point in law.points[1:]], [point.gain.mean for point in law.points[1:]], 1)
    assert law.of_learnt.slope.mean == pytest.approx(slope)
    rungs = [replace(rung, cells={key: replace(cell, baseline_learnt=rung.name != "m1")
                                  for key, cell in rung.cells.items()}) for rung in found.ladders["toy"]]
    without, *_ = laws({"toy": rungs})
    assert without.lacking == {"m1": "neither has learnt"} and without.of_learnt is None
    assert without.line.slope.mean == pytest.approx(slope)
    assert law_sentences([without])[0].endswith("; 1 rung without a point, neither has learnt")
    assert law_tables([without])[0].notes == ["iid, test: neither has learnt, no point: m1."]


def test_compute_and_factors_have_lines_where_the_rest_is_equal(found):
    assert [point.rung for point in law_of(found, "iid", "test", COMPUTE).points] == [
        "250k tokens", "1M tokens, 500 pieces", "1M tokens, 1 domain", "1M tokens"]
    tokens, domains, vocabulary = (law_of(found, "noniid", "ood", axis) for axis in FACTORS)
    assert [point.x for point in tokens.points] == pytest.approx(np.log10([250_000, 1_000_000]))
    assert [point.x for point in domains.points] == [0, 1]
    assert [point.x for point in vocabulary.points] == pytest.approx(np.log10([500, 4000]))
    assert tokens.verdict == "undecided"  # through two models there is always a line
    notes = " ".join(found.law_notes)
    assert "0 tokens (random weights have had no pre-training)" in notes and "m1, m2, m3, m4, m5 (its pre-" in notes


def test_a_law_is_decided_by_three_places_and_not_by_one_rung(found):
    law = law_of(found, "iid", "test", POWER)
    assert law.verdict == "yes" and law.places == len(law.points) and not law.hangs_on_one
    two = replace(law, points=[replace(point, x=float(point.x > law.points[0].x)) for point in law.points])
    assert two.places == 2 and two.p is None
    gains = np.tile(np.array([0.02, 0.01, 0.0, 0.2])[None, :, None], (3, 1, 2001))  # the last one turns the slope
    one = replace(law, line=Line(np.arange(4.0), gains), corrected=0.01)
    assert one.line.slope.mean > 0 > one.line.without_one[0] and one.verdict == "undecided" and one.hangs_on_one


def test_p_is_corrected_over_the_mixtures_of_a_set(found):
    both = [law_of(found, mixture, "ood", POWER) for mixture in ("iid", "noniid")]
    low, high = sorted(law.p for law in both)
    assert sorted(law.corrected for law in both) == pytest.approx([2 * low, max(2 * low, high)])
    assert corrected(both[:1])[0].corrected == both[0].p


def test_without_probes_there_is_no_law_against_power(tmp_path):
    for model in ("bert-base-uncased", "google/electra-base-discriminator", "unheard"):
        for method in ("centralized", "iid"):
            write_run(tmp_path / f"{model}{method}".replace("/", "-"), method, 1, (0.5 + 0.1 * (method == "iid"), 0.5),
                      model=model)
    here = contents(read_records([tmp_path]))
    law, = here.laws
    assert (law.axis, law.mixture, [point.rung for point in law.points], law.p) == (
        COMPUTE, "iid", ["bert-base-uncased", "google/electra-base-discriminator"], None)
    assert not law_sentences(here.laws) and here.headline.startswith("Averaging beats")
    assert here.law_notes == ["Not on the axis of compute: unheard (its pre-training compute is not in "
                              "reports/pretraining.json)."]
    for method in ("centralized", "iid"):  # another learning rate is no third model on the line
        write_run(tmp_path / f"faster{method}", method, 1, (0.5, 0.5), model="bert-base-uncased", lr=1e-3)
    here = contents(read_records([tmp_path]))
    assert [(law.ladder, len(law.points)) for law in laws(here.ladders)] == [("toy, lr 0.0001", 2)]


def test_the_tables_and_the_csv_hold_all_lines(found):
    rungs, power, *_ = found.about_law()
    assert len(rungs.rows) == 11 and rungs.rows[1][1] != "—"
    assert [row[:2] for row in power.rows[1:]] == [[evaluated, mixture] for evaluated in ("test", "ood")
                                                   for mixture in ("iid", "noniid")]
    lines = list(csv.DictReader(io.StringIO(law_csv(found.laws))))
    assert sum(not line["rung"] for line in lines) == len(found.laws)
    first = next(line for line in lines if not line["rung"])
    assert float(first["slope"]) == found.laws[0].line.slope.mean and first["verdict"] == "yes"
    assert float(first["zero_low"]) < float(first["zero"]) < float(first["zero_high"]) and first["zero_open"] == "False"
    assert all(("inf" in line["zero_low"] + line["zero_high"]) == (line["zero_open"] == "True") for line in lines)
    assert {line["zero_open"] for line in lines} == {"", "False", "True"}


@pytest.mark.parametrize("narrow", [True, False])
def test_the_figure_has_filled_and_hollow_points_and_a_line_for_each_law(found, narrow):
    with drawing():
        figure = draw_laws(found.laws, [POWER, COMPUTE], narrow)
    law, panel = law_of(found, "iid", "test", POWER), figure.axes[0]
    points, = (line for line in panel.lines if line.get_marker() == "^" and line.get_fillstyle() == "full")
    assert list(points.get_xdata()) == [point.x for point in law.points]
    assert list(points.get_ydata()) == pytest.approx([100 * point.gain.mean for point in law.points])
    assert any(line.get_fillstyle() == "none" and line.get_marker() == "^" for line in panel.lines)
    cross, = (list(line.get_xdata()) for line in panel.lines if line.get_marker() == "x" and len(line.get_xdata()))
    assert cross == [law.points[0].x]
    assert {text.get_text() for text in panel.texts} == {rung.name for rung in found.ladders["toy"]}
    assert len(figure.axes) == 4


def test_figure_1_is_drawn_beside_the_models_of_known_compute(found):
    here = replace(found, published=True)
    law = law_of(here, "iid", "test", FIGURE_1)
    assert [point.x for point in law.points][-1] == pytest.approx(np.log10(6 * 396_000 * 50_015 / 1e15))
    with drawing():
        figure = draw_laws(here.laws, [FIGURE_1], True)
    grey, = (line for line in figure.axes[0].lines if line.get_marker() == "s")
    assert grey.get_xdata()[0] == pytest.approx(np.log10(9.22)) and list(grey.get_ydata())[0] == -3.25
    assert len(grey.get_xdata()) == 6 and not any("published points" in note for note in here.law_notes)
    assert "not drawn" in replace(found, judged=found.judged[:1], published=True).law_notes[-1]


def test_of_many_models_the_law_alone_is_drawn_unless_all_is_asked_for(found, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.sections.MOST_DRAWN", 9)
    with drawing():
        sections = html_sections(found, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"law", "factors"}
    assert sections[0][0].startswith("Gain against representation power")
    assert sum("--all_figures" in content for _, content in sections) == 10


def test_names_that_touch_move_apart_about_their_middle():
    assert spread([0.1, 0.5, 0.51, 0.9], 0.05) == pytest.approx([0.1, 0.48, 0.53, 0.9])
    moved = spread([0.5, 0.5, 0.52, 0.53, 0.9], 0.1)
    assert np.all(np.diff(moved) > 0.0999) and np.mean(moved[:4]) == pytest.approx(np.mean([0.5, 0.5, 0.52, 0.53]))
