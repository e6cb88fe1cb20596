"""The report as a user makes it: exit codes, files, and a page that is safe and needs nothing else."""

import base64
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from reports.figures import read_curve
from reports.records import read_records
from reports.style import data_uri, drawing
from reports.training_figures import draw_drift, shard_panels
from tests.processes import HANGS, run_script
from tests.reports.toy_records import write_run, write_study

HOSTILE = '"><script>alert(1)</script><img src=http://x/y>$\\frac|_&'


class Page(HTMLParser):
    """Collects the tags, the references and the visible text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.images, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "srcset", "href", "data", "action")]
        self.images += [dict(attributes)] if tag == "img" else []

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The report of a study with a hostile model, two known models, drift, labels and an unfinished run."""
    folder = tmp_path_factory.mktemp("report")
    write_study(folder / "log" / "study")
    (folder / "log" / "study" / "i3" / "summary.json").unlink()
    for number, model in enumerate(("bert-base-uncased", "roberta-large", HOSTILE)):
        for seed in (1, 2):
            write_run(folder / "log" / f"c{number}{seed}", "centralized", seed, {HOSTILE: 0.5, "b": 0.6}, model=model)
            write_run(folder / "log" / f"i{number}{seed}", "iid", seed, {HOSTILE: 0.6, "b": 0.6 + seed * number / 100},
                      model=model, facts={"shards": [{HOSTILE: 3}, {"b": 3}],
                                          "shard_labels": [{"_yes": 3}, {"no": 3}]},
                      clients=[{"rows": 3, "drift": 0.5}, {"rows": 3, "drift": 0.7 * seed}])
    done = run_script("report.py", folder / "log", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return done, folder / "out"


def test_stdout_holds_the_tables_and_what_was_left_out(made):
    done, out = made
    assert "gain over centralized" in done.stdout and "study/i3: last round recorded: 2 of 2" in done.stdout
    assert done.stdout.rstrip("\n") == (out / "report.md").read_text().rstrip("\n")
    assert "points for each tenfold" in done.stdout and "Not on the axis of compute: " in done.stdout
    assert done.stderr == f"report.py: wrote {out / 'report.html'}\n"


def test_the_page_refers_to_nothing_outside(made):
    text = (made[1] / "report.html").read_text()
    page = Page(text)
    assert page.references and all(each.startswith("data:image/svg+xml;base64,") for each in page.references)
    assert not {"script", "link", "iframe", "object"} & {*page.tags}
    assert "url(" not in text and "@import" not in text
    assert page.images and all(image["alt"] for image in page.images)
    assert {"header", "main", "figure", "figcaption", "caption", "details", "h1"} <= {*page.tags}


def test_hostile_names_are_text(made):
    done, out = made
    page = Page((out / "report.html").read_text())
    assert page.text.count("<script>alert(1)</script>") > 5
    tex = (out / "report.tex").read_text()
    assert r"\frac" not in tex and r"\textbackslash{}frac\textbar{}\_\&" in tex
    assert r"\<script>" in done.stdout and not re.search(r"(?<!\\)<script>", done.stdout)


def test_the_figures_are_images(made):
    names = {path.stem.split("-", 1)[-1] for path in (made[1] / "figures").glob("*.png")}
    assert names == {"gains", "curves", "shards", "drift", "time", "law"}
    for path in (made[1] / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"%PDF")
    for reference in Page((made[1] / "report.html").read_text()).references:
        svg = ElementTree.fromstring(base64.b64decode(reference.split(",")[1]))
        assert svg.tag.endswith("}svg") and not any(tag.tag.endswith("}script") for tag in svg.iter())


def test_curves_shards_and_drift_are_those_of_the_record(tmp_path):
    write_study(tmp_path)
    compared = read_records([tmp_path]).comparisons[0]
    curve = read_curve(compared, compared.methods["centralized"][0])
    # 2 rounds of 2 epochs over 6 of 6 rows
    assert curve == {0: (0.0, {None: 0.35, "a": 0.4, "b": 0.3}), 2: (4.0, {None: 0.7, "a": 0.8, "b": 0.6})}
    assert shard_panels(compared) == [("iid: rows by domain", [{"a": 3, "b": 3}] * 2)]
    write_run(tmp_path / "n", "noniid", 1, (0.5, 0.5), clients=[{"rows": 3, "drift": 1.0}, {"rows": 3, "drift": 3.0}])
    with drawing():
        figure = draw_drift(read_records([tmp_path]).comparisons[0], narrow=False)
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[2.0, 2.0]]
    assert data_uri(figure).startswith("data:image/svg+xml")


def test_wrong_input_is_one_line(tmp_path):
    run = write_run(tmp_path / "run", "iid", 1, (0.5, 0.5))
    for flags, message in (((tmp_path / "nowhere",), "no such folder"),
                           ((tmp_path, "--baseline", "iidd"), "--baseline iidd: no such method here; there are iid"),
                           ((tmp_path, "--out", run / "config.json"), "--out"),
                           ((tmp_path, "--tuned", ","), "report.py: --tuned ,: names no flag; give FLAG[,FLAG…]"),
                           ((run / "config.json",), "config.json: is no folder; give a run's folder, or one that hol"),
                           ((), "report.py: the following arguments are required: folders (see --help)"),
                           ((tmp_path, "--until", "x"), "report.py: unrecognized arguments: --until x (see --help)")):
        done = run_script("report.py", *flags)
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
        assert not done.stdout  # also where --out is no folder
    (run / "summary.json").write_text("{\n")
    done = run_script("report.py", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"report.py: {run / 'summary.json'} line 1: is not JSON, or broken off\n"


def test_one_run_without_a_partner_makes_a_report(tmp_path):
    write_run(tmp_path / "run", "centralized", 1, (0.5, 0.5))
    done = run_script("report.py", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0 and "No run of parameter averaging" in done.stdout
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert "every run here has one client" in page.text and "needs at least 2 models" in page.text


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page(made, tmp_path, width):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not browser:
        pytest.skip("no Chromium here")
    shot = tmp_path / "page.png"
    subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
                    f"--window-size={width},2000", f"--screenshot={shot}", (made[1] / "report.html").as_uri()],
                   capture_output=True, timeout=HANGS, check=True)
    from PIL import Image

    assert len(Image.open(shot).convert("RGB").getcolors(1 << 24)) > 50  # not a blank page
