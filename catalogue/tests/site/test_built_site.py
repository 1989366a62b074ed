"""What the built site promises: no dead link, no request to anybody else, and nothing deployed that it does not show."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[3]
SHOWN = {
    "AWS::DynamoDB::Table",
    "AWS::Lambda::Function",
    "AWS::Pipes::Pipe",
    "AWS::SQS::Queue",
    "AWS::Scheduler::Schedule",
    "AWS::StepFunctions::StateMachine",
    "AWS::ApiGateway::RestApi",
}
PUBLISHED = sorted(ROOT.glob("*-service/*/contracts/published/*.v*.json"))


class Page(HTMLParser):
    """Links, anchors, and what a browser fetches by itself."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.fetched, self.parts = [], set(), [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given.get("id"), given.get("name")}
        self.parts.add(given.get("data-id"))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get("src"):
            self.fetched.append(given["src"])
        if tag == "link" and given.get("rel") not in {"canonical", "prev", "next"}:
            self.fetched.append(given["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path.read_text()) for path in site.rglob("*.html")}


def inside(site, page, reference):
    path = urlsplit(reference).path
    return (site / page).parent.joinpath(unquote(path)).resolve() if path else site / page


def test_every_link_leads_to_a_page_and_a_place_on_it(site, pages):
    dead = []
    for name, page in pages.items():
        for link in {*page.links, *page.fetched}:
            if urlsplit(link).scheme or name == "404.html":
                continue
            target = inside(site, name, link)
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(urlsplit(link).fragment)
            if not target.is_file():
                dead.append((name, link))
            elif anchor and target.suffix == ".html":
                known = pages[target.relative_to(site.resolve()).as_posix()].anchors
                if anchor not in known and not anchor.startswith("__"):
                    dead.append((name, link))
    assert dead == []


def test_no_page_and_no_style_fetches_anything_from_elsewhere(site, pages):
    elsewhere = [
        (name, each) for name, page in pages.items() for each in page.fetched if urlsplit(each).netloc
    ]
    for path in site.rglob("*.css"):
        for found in re.findall(r"url\([\"']?([^)\"']+)|@import [\"']([^\"']+)", path.read_text()):
            elsewhere += [(path.name, each) for each in found if urlsplit(each).netloc]
    assert elsewhere == []


def test_the_theme_does_not_fetch_mermaid_where_a_page_draws_with_it(site):
    drawn = [path for path in site.rglob("*.html") if 'class="mermaid"' in path.read_text()]
    assert [path for path in drawn if "assets/vendor/mermaid.js" not in path.read_text()] == []
    assert (site / "assets/vendor/mermaid.js").stat().st_size > 1_000_000


@pytest.mark.parametrize("schema", PUBLISHED, ids=lambda path: path.stem)
def test_every_published_event_has_a_page_with_its_fields_and_examples(site, schema):
    service = schema.relative_to(ROOT).parts[0].removesuffix("-service")
    page = (site / f"catalogue/events/{service}-{schema.stem}.html").read_text()
    published = json.loads(schema.read_text())
    assert [name for name in published["properties"] if f"<code>{name}</code>" not in page] == []
    assert published["examples"]
    assert "Example" in page


def test_everything_that_is_deployed_is_on_the_map(site, pages, templates):
    model = json.loads((site / "catalogue/catalogue.json").read_text())
    known = {(part["service"], part["path"]): part["id"] for part in model["parts"]}
    deployed = [(service, path) for service, path, resource in templates if resource["Type"] in SHOWN]
    assert len(deployed) > 50
    shown = pages["catalogue/map.html"].parts
    assert [each for each in deployed if known.get(each) not in shown] == []


def test_every_rule_is_on_the_map(site, templates):
    page = (site / "catalogue/map.html").read_text()
    rules = [path for _, path, resource in templates if resource["Type"] == "AWS::Events::Rule"]
    assert len(rules) > 10
    # The log of all events would be an arrow from every event to one place, and tell nothing.
    assert [rule for rule in rules if f"by the rule {rule}<" not in page] == ["Audit/Everything"]


def test_every_state_of_every_workflow_is_in_its_picture(site, pages):
    model = json.loads((site / "catalogue/catalogue.json").read_text())
    workflows = [part for part in model["parts"] if part["definition"]]
    assert workflows
    for part in workflows:
        shown = pages[f"catalogue/workflows/{part['service']}-{part['id'].rpartition('/')[2]}.html"].parts
        assert set(part["definition"]["States"]) <= shown


def test_every_route_is_on_its_services_page(site, templates):
    model = json.loads((site / "catalogue/catalogue.json").read_text())
    routes = [(service["name"], route) for service in model["services"] for route in service["routes"]]
    methods = [r for _, _, r in templates if r["Type"] == "AWS::ApiGateway::Method"]
    assert len(routes) == sum(method["Properties"]["HttpMethod"] != "OPTIONS" for method in methods)
    for service, route in routes:
        page = (site / f"catalogue/services/{service}.html").read_text()
        assert f"<code>{route['method']} {route['path']}</code>" in page
