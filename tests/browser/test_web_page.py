"""The web page of `ixc serve` in headless Chromium: what a person does with it.

IXC_SCREENSHOTS=DIR also keeps the pictures that docs/serving.md shows."""
import base64
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from program import SOURCE_DIR, TINY_4KHD, TINY_VL  # noqa: E402
from running_server import RunningServer  # noqa: E402
from webdriver import Browser, wait_for  # noqa: E402

SHAPES = TINY_VL / "examples" / "shapes_2.png"
OTHER_SHAPES = TINY_VL / "examples" / "shapes_1.png"
PHOTO = SOURCE_DIR / "examples" / "evaluation" / "pictures" / "photo_astronaut.jpg"
DOCUMENT = TINY_4KHD / "examples" / "document_6.png"
TURNED = SOURCE_DIR / "tests" / "data" / "images" / "exif_rotated.jpg"
TRUTH = ("The image shows two objects on a dark background: a large teal rectangle in the middle right "
         "and a small green ring in the bottom right.")
ENTER, ESCAPE, SHIFT, TAB = "\ue007", "\ue00c", "\ue008", "\ue004"


class PageTest(unittest.TestCase):
    model = TINY_VL

    @classmethod
    def setUpClass(cls):
        cls.server = RunningServer(cls.model)
        cls.addClassCleanup(cls.server.close)

    def browse(self, **options):
        self.page = Browser(**options)
        self.addCleanup(self.page.close)
        self.page.open(self.server.url + "/")
        wait_for("the model's name", lambda: self.page.texts("#model") == [self.model.name])

    def tearDown(self):
        # Among other things what the content policy forbade: nothing, on any page.
        self.assertEqual(self.page.log(), [])

    def drop(self, *paths):
        before = self.page.run("return pending.length")
        self.page.give_files("drop", paths)
        wait_for("the dropped picture",
                 lambda: self.page.run("return pending.length") == before + len(paths))

    def ask(self, text=""):
        """Types, presses Enter, waits for the whole answer; returns it and its figures."""
        self.page.type("#question", text + ENTER)
        self.finished()
        return self.answers()[-1], self.page.texts(".figures")[-1]

    def finished(self):
        wait_for("the answer", lambda: self.page.run(
            "return !running && Boolean(document.querySelector('.turn.assistant, .failed'))"))

    def answers(self):
        return self.page.texts(".turn.assistant .text")

    def keep(self, name):
        folder = os.environ.get("IXC_SCREENSHOTS")
        if folder:
            self.page.screenshot(pathlib.Path(folder) / name)


class Talk(PageTest):
    def test_drop_ask_and_ask_again(self):
        self.browse(width=900, height=820, scale=2)
        self.page.give_files("dragover", [SHAPES])
        self.assertTrue(self.page.is_shown("#drop"))
        self.drop(SHAPES)
        self.assertFalse(self.page.is_shown("#drop"))
        answer, figures = self.ask()
        self.assertEqual(answer, TRUTH)
        self.assertEqual(self.page.texts(".turn.user .text"), ["Please describe this image in detail."])
        self.assertRegex(figures, r"\d tokens/s · \d+ new tokens · first after \d\.\d\d s · "
                                  r"\d+ prompt tokens")
        answer, figures = self.ask("How many objects are there?")
        self.assertEqual(answer.rstrip("."), "two")
        self.assertRegex(figures, r"[1-9]\d+ of them cached")  # picture and first turn
        self.assertEqual(self.page.run("return turns.length"), 4)
        self.keep("serving-page.png")
        self.page.click("#fresh")
        self.assertEqual(self.page.texts(".turn"), [])
        self.assertTrue(self.page.is_shown("#welcome"))

    def test_stop_and_go_on(self):
        self.browse()
        # Of a photograph this model says more than anybody wants to hear.
        self.drop(PHOTO)
        self.page.run("byId('length').value = 4000")
        self.page.type("#question", "Please describe this image in detail." + ENTER)
        wait_for("the first words", lambda: self.answers() and len(self.answers()[0]) > 3)
        self.assertTrue(self.page.is_shown("#stop"))
        self.page.click("#stop")
        self.finished()
        self.assertTrue(self.page.is_shown("#send"))
        self.assertIn("stopped", self.page.texts(".figures")[0])
        self.page.run("byId('length').value = 300")
        self.page.type("#question", "What color is it?" + ENTER)
        wait_for("the next answer", lambda: len(self.answers()) == 2 or not self.page.run("return running"))
        self.page.press(ESCAPE)
        self.finished()

    def test_chinese_from_the_first_word(self):
        self.browse(language="zh-CN")
        self.assertEqual(self.page.run("return document.documentElement.lang"), "zh-CN")
        self.assertEqual(self.page.texts("#send"), ["发送"])
        self.page.give_files("paste", [SHAPES])
        wait_for("the pasted picture", lambda: self.page.run("return pending.length") == 1)
        answer, figures = self.ask()
        self.assertEqual(self.page.texts(".turn.user .text"), ["请详细描述这张图片。"])
        self.assertIn("物体", answer)
        self.assertIn("词元", figures)
        self.page.click("#language")
        self.assertEqual(self.page.texts("#send"), ["Send"])
        self.page.run("location.reload()")
        wait_for("English after a reload", lambda: self.page.texts("#send") == ["Send"])

    def test_phone(self):
        self.browse(width=390, height=780, language="zh-CN", scale=2)
        self.drop(OTHER_SHAPES, SHAPES)
        self.assertEqual(len(self.page.texts("#pending figure")), 2)
        self.page.click("#pending .remove")
        self.assertEqual(self.page.run("return pending.map((p) => p.name)"), [SHAPES.name])
        self.ask()
        self.page.click("#theme")
        self.page.click("#toggle")
        for part in ("", "#settings", "#composer", "#send", "header"):
            wide = self.page.run("const e = arguments[0] ? document.querySelector(arguments[0])"
                                 ": document.documentElement; return e.scrollWidth > e.clientWidth + 1"
                                 "|| e.getBoundingClientRect().right > innerWidth + 1", part)
            self.assertFalse(wide, f"{part or 'the page'} is wider than the phone")
        self.page.click("#toggle")
        self.keep("serving-phone.png")

    def test_keyboard_alone(self):
        self.browse()
        self.assertEqual(self.page.run("return document.activeElement.id"), "question")
        self.page.press("a", ENTER, "b", held=(SHIFT,))
        self.assertEqual(self.page.run("return byId('question').value").lower(), "a\nb")
        self.page.run("byId('question').value = ''")
        seen = []
        for _ in range(8):
            self.page.press(TAB)
            seen.append(self.page.run("return document.activeElement.id"))
        for control in ("send", "fresh", "language", "theme", "toggle"):
            self.assertIn(control, seen)
        # Everything that can be reached has a name to be read out.
        nameless = self.page.run("""
            return [...document.querySelectorAll("button, input, textarea")].filter((e) =>
              !(e.getAttribute("aria-label") || e.innerText || (e.labels && e.labels.length)))
              .map((e) => e.outerHTML)""")
        self.assertEqual(nameless, [])

    def test_words_are_never_html(self):
        self.browse()
        evil = "<img src=x onerror=document.title='owned'><b>bold</b>"
        answer, _ = self.ask(evil)
        self.assertEqual(self.page.texts(".turn.user .text"), [evil])
        self.assertEqual(self.page.run("return document.querySelectorAll('.turn b, .turn .text img').length"), 0)
        self.assertEqual(self.page.run("return document.title"), "ixc")
        self.assertNotEqual(answer, "")

    def test_what_the_server_refuses_can_be_sent_again(self):
        self.browse()
        self.drop(SHAPES)
        self.page.run("model.id = 'another'")
        self.page.type("#question", "What is this?" + ENTER)
        self.finished()
        self.assertEqual(len(self.page.texts(".failed")), 1)
        self.assertEqual(self.page.run("return [byId('question').value, pending.length, turns.length]"),
                         ["What is this?", 1, 0])
        self.page.log()  # the browser notes the 404
        self.page.run("findModel()")
        wait_for("the right name", lambda: self.page.run("return model.id") == self.model.name)
        self.page.press(ENTER)
        wait_for("the answer", lambda: self.page.texts(".figures"))
        self.assertEqual(self.page.texts(".failed"), [])
        # A file that is no picture is named, and nothing else happens.
        self.page.give_files("drop", [TINY_VL / "config.json"])
        wait_for("the complaint", lambda: self.page.texts(".failed"))
        self.assertIn("config.json", self.page.texts(".failed")[0])

    def test_pictures_are_sent_as_they_are_unless_turned(self):
        self.browse()
        for path, same in ((PHOTO, True), (SHAPES, True), (TURNED, False)):
            self.drop(path)
            sent, height, width = self.page.run("const p = pending.pop();"
                                                "return [p.url.split(',')[1], p.height, p.width]")
            self.assertEqual(base64.b64decode(sent) == path.read_bytes(), same, path)
            self.assertGreater(height * width, 0)


class Keys(PageTest):
    """A server with keys: the browser brings one for the page, or the page itself does."""
    KEY = "a-key-for-the-tests-of-the-page"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        keys = pathlib.Path(folder.name) / "keys"
        keys.write_text(f"{cls.KEY}\n{cls.KEY}-2\n", encoding="utf-8")
        cls.server = RunningServer(cls.model, "--api-keys", keys)
        cls.addClassCleanup(cls.server.close)
        cls.server.url = cls.server.url.replace("http://", f"http://me:{cls.KEY}@")

    def test_key_of_the_browser_and_of_the_page(self):
        self.browse()
        self.drop(SHAPES)
        self.assertEqual(self.ask()[0], TRUTH)
        self.page.click("#toggle")
        # What is typed goes before what the browser has, and is kept by the tab alone.
        for key, known in (("not-a-key-of-this-server", False), (f"{self.KEY}-2", True)):
            self.page.run("byId('key').value = ''")
            self.page.type("#key", key + TAB)
            wait_for("the verdict", lambda want=known: (self.page.texts("#model") == [self.model.name]) == want)
            self.assertEqual(self.page.run("return [sessionStorage.getItem('ixc.key'), localStorage.length]"),
                             [key, 0])
            errors = self.page.log()
            self.assertEqual(all("401" in line for line in errors) and bool(errors), not known)
        self.page.click("#fresh")
        self.drop(SHAPES)
        self.assertEqual(self.ask()[0], TRUTH)


class Views(PageTest):
    """4KHD: the number of views, and the grid over the picture."""
    model = TINY_4KHD

    # width, height, hd number -> rows, columns of views: the table of docs/pictures-to-tokens.md.
    TABLE = {(1000, 1000): ((4, 4), (5, 5), (7, 7)), (640, 480): ((3, 4), (4, 5), (6, 8)),
             (480, 640): ((4, 3), (5, 4), (8, 6)), (1920, 1080): ((3, 5), (4, 6), (6, 9)),
             (1080, 1920): ((5, 3), (6, 4), (9, 6)), (3840, 1600): ((3, 5), (3, 7), (5, 11)),
             (4000, 400): ((1, 10), (2, 12), (2, 20)), (400, 4000): ((10, 1), (12, 2), (20, 2))}

    def test_plan_is_the_engines(self):
        self.browse()
        for (width, height), plans in self.TABLE.items():
            for hd_num, wanted in zip((16, 25, 55), plans):
                plan = self.page.run("return planViews(...arguments)", width, height, hd_num, 336)
                self.assertEqual((plan["rows"], plan["columns"]), wanted, (width, height, hd_num))

    def test_grid_follows_the_number(self):
        self.browse(width=900, height=820, scale=2)
        self.page.click("#toggle")
        self.assertTrue(self.page.is_shown("#hd"))
        self.drop(DOCUMENT)
        rows, columns = self.page.run("const p = planOf(pending[0]); return [p.rows, p.columns]")
        self.assertEqual(len(self.page.texts("#pending line.over")), rows - 1 + columns - 1)
        self.assertIn(f"{rows} × {columns} views", self.page.texts("#pending figcaption")[0])
        self.page.run("byId('hd').value = 1; byId('hd').dispatchEvent(new Event('input'))")
        self.assertEqual(len(self.page.texts("#pending line.over")), 0)
        self.page.run("byId('hd').value = 25; byId('hd').dispatchEvent(new Event('input'))")
        self.page.click("#toggle")
        answer, figures = self.ask("What is the number?")
        self.assertRegex(answer, r"\d{2,}")
        with_views = int(figures.split(" prompt tokens")[0].split()[-1])
        self.page.click(".turn .frame")
        self.assertTrue(self.page.is_shown("#large img"))
        self.keep("serving-views.png")
        self.page.press(ESCAPE)
        self.assertFalse(self.page.is_shown("#large img"))
        self.page.click("#fresh")
        self.page.run("byId('hd').value = 1")
        self.drop(DOCUMENT)
        _, figures = self.ask("What is the number?")
        self.assertLess(int(figures.split(" prompt tokens")[0].split()[-1]), with_views)


if __name__ == "__main__":
    unittest.main()
