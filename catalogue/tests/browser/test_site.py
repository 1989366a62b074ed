"""The site as people see it: on a screen, on a phone, in the dark, by keyboard and screen reader, without any network."""

import pytest

MAP = "catalogue/map.html"
EVENT = "catalogue/events/order-OrderConfirmed.v1.html"
WORKFLOW = "catalogue/workflows/order-lifecycle.html"
CONSTRUCT = "constructs/event-request.html"
PAGES = {"home": "index.html", "map": MAP, "event": EVENT, "workflow": WORKFLOW, "construct": CONSTRUCT}
DEVICES = {
    "desktop": {"width": 1440, "height": 1000},
    "phone": {"width": 390, "height": 844},
    "dark": {"width": 1440, "height": 1000, "scheme": "dark"},
}


def luminance(color):
    channels = [int(part) / 255 for part in color[4:-1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_screen_and_asks_nobody_else(visit, keep, name, device):
    page = visit(PAGES[name], **DEVICES[device])
    keep(page, f"{name}-{device}")
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "the page itself scrolls sideways"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_the_map_says_can_be_read(visit, scheme):
    page = visit(MAP, scheme=scheme)
    assert (
        page.locator("body").get_attribute("data-md-color-scheme")
        == {"light": "default", "dark": "slate"}[scheme]
    )
    seen = page.evaluate(
        """[...document.querySelectorAll('.drawing .node')].map((node) => {
             const text = [...node.querySelectorAll('text')].map((text) => getComputedStyle(text).fill);
             const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
             const plain = (color, over) => {
               canvas.fillStyle = over; canvas.fillRect(0, 0, 1, 1);
               canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
               return `rgb(${[...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)})`;
             };
             const ground = plain(getComputedStyle(node.querySelector('rect')).fill, '#fff');
             return [node.dataset.id, ground, ...text.map((color) => plain(color, ground))];
           })"""
    )
    assert len(seen) > 50
    assert [
        (part, ground, text)
        for part, ground, *texts in seen
        for text in texts
        if contrast(ground, text) < 4.5
    ] == []


def test_the_map_is_followed_by_clicking_from_a_service_to_the_states_of_a_workflow(visit, keep):
    page = visit(MAP)

    def follow(part):
        page.locator(f'.drawing [data-id="{part}"] a').first.click()
        page.wait_for_load_state()

    follow("order")
    assert page.locator("h1").inner_text().startswith("Order")
    follow("order/event/orderplaced.v1")
    assert page.locator("h1").inner_text().startswith("OrderPlaced.v1")
    follow("order/queue/lifecycle-placed")
    assert page.locator("h1").inner_text().startswith("Lifecycle Placed")
    follow("order/workflow/lifecycle-start")
    assert page.locator("h1").inner_text().startswith("Lifecycle Start")
    assert page.locator(".drawing .node.kind-task").count()
    keep(page, "states")


def test_the_map_is_followed_by_keyboard(visit):
    page = visit(MAP)
    page.locator(".drawing-view").focus()
    page.keyboard.press("+")
    zoomed = page.locator(".drawing").evaluate("(drawing) => drawing.style.getPropertyValue('--zoom')")
    assert float(zoomed) > 0
    page.keyboard.press("Tab")
    focused = page.evaluate(
        "document.activeElement.closest('.drawing') && document.activeElement.getAttribute('aria-label')"
    )
    assert focused, "the first Tab reaches the first link of the map"
    page.locator('.drawing [data-id="order/event/orderplaced.v1"] a').focus()
    assert page.locator(".drawing .edge.is-near").count() >= 2, "what it is connected to is shown"
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert page.locator("h1").inner_text().startswith("OrderPlaced.v1")


def test_a_screen_reader_is_told_what_each_part_of_the_map_is(visit):
    page = visit(MAP)
    links = page.locator(".drawing a")
    names = [links.nth(number).get_attribute("aria-label") for number in range(links.count())]
    assert "order event OrderPlaced.v1" in names
    assert all(names)
    assert page.locator(".drawing").get_attribute("aria-label")
    assert page.locator("table").count(), "the same in words, below"


def test_on_a_phone_the_map_scrolls_inside_its_frame(visit):
    page = visit(MAP, **DEVICES["phone"])
    view = page.locator(".drawing-view")
    assert view.evaluate("(view) => view.scrollWidth > view.clientWidth")
    page.get_by_role("button", name="Show the whole width").click()
    assert view.evaluate("(view) => view.scrollWidth <= view.clientWidth + 1")
    size = page.locator(".drawing-tools button").first.bounding_box()
    assert size["height"] >= 32


def test_the_search_finds_an_event(visit):
    page = visit("index.html")
    page.keyboard.press("s")
    page.keyboard.type("OrderConfirmed", delay=20)
    found = page.locator(".md-search-result__item a", has_text="OrderConfirmed.v1").first
    found.wait_for()
    assert "OrderConfirmed" in found.get_attribute("href")
