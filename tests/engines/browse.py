"""Visits a page in headless Chromium, step by step; run by the Python of tests/engines/.venv, which has Playwright.

Reads {"url", "chromium", "steps"} from stdin and writes {"results", "errors", "elsewhere"}: a result for each step, what the
browser complained of, and whom else the page asked. Knows no page. https://playwright.dev/python/docs/api/class-page
"""

from __future__ import annotations

import json
import os
import sys

from playwright.sync_api import expect, sync_playwright

MILLISECONDS = 60_000


class Visit:
    """One tab of a browser; each public method is a step."""

    def __init__(self, page, url):
        self._page, self._url = page, url
        self.errors, self.elsewhere = [], []
        page.set_default_timeout(MILLISECONDS)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((url, "data:")) else self.elsewhere.append(request.url),
        )

    def goto(self, address):
        self._page.goto(self._url + address)

    def reload(self):
        self._page.reload()

    def wait(self, selector):
        self._page.wait_for_selector(selector)

    def click(self, selector):
        self._page.click(selector)

    def press(self, *keys):
        for key in keys:
            self._page.keyboard.press(key)

    def fill(self, selector, text):
        self._page.fill(selector, text)

    def choose(self, selector, value):
        self._page.select_option(selector, value)

    def texts(self, selector):
        return [" ".join(text.split()) for text in self._page.locator(selector).all_inner_texts()]

    def contents(self, selector):
        """Also of what is folded."""
        return [" ".join(text.split()) for text in self._page.locator(selector).all_text_contents()]

    def contents_as_typed(self, selector):
        """With every line break."""
        return self._page.locator(selector).all_text_contents()

    def evaluate(self, script):
        return self._page.evaluate(script)

    def size(self, width, height):
        self._page.set_viewport_size({"width": width, "height": height})

    def prefer(self, scheme):
        self._page.emulate_media(color_scheme=scheme)

    def count(self, selector, number):
        expect(self._page.locator(selector)).to_have_count(number, timeout=MILLISECONDS)

    def post(self, path, body):
        headers = {"Authorization": "Bearer sandbox-token"}
        return self._page.request.post(self._url + path, data=body, headers=headers).status


def main():
    """One visit."""
    asked = json.load(sys.stdin)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked["chromium"], args=options)
        visit = Visit(browser.new_page(), asked["url"])
        results = [getattr(visit, step)(*arguments) for step, *arguments in asked["steps"]]
        browser.close()
    json.dump({"results": results, "errors": visit.errors, "elsewhere": visit.elsewhere}, sys.stdout)


if __name__ == "__main__":
    main()
