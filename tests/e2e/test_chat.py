"""ixc chat, talked to through a pipe and through a terminal."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

from program import IMAGES, IXC, MODELS, TINY_VL, ProgramTest, run

HD = MODELS / "4khd-a"
SHORT = ("--max-new-tokens", 8)
STATS = re.compile(r"(\d+) prompt tokens \((\d+) of pictures(?:, (\d+) read before, (\d+) paid)?\)")


def stats_of(text):
    """[(prompt tokens, of pictures, read before, paid)] of every line of --stats."""
    return [tuple(int(number or 0) for number in found) for found in STATS.findall(text)]


class Piped(ProgramTest):
    def talk(self, *lines, model=TINY_VL, options=()):
        return run("chat", "--model", model, "--stats", *options,
                   stdin="".join(f"{line}\n" for line in lines))

    def test_second_question_pays_only_for_its_words(self):
        questions = "Please describe this image in detail.", "What color is it?"
        done = self.talk(f"/image {IMAGES / 'cat.png'} 4", *questions, model=HD, options=SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = stats_of(done.stderr)
        self.assertGreater(first[1], 300)
        self.assertEqual(first[2], 0)
        self.assertEqual(second[1], first[1])
        self.assertGreaterEqual(second[2], first[0])  # the whole first prompt
        self.assertLess(second[3], 60)  # its answer, the turn's marks and the new words

    def test_an_answer_is_the_one_of_a_cold_run(self):
        picture = TINY_VL / "examples" / "shapes_2.png"
        saved = self.folder / "talk.json"
        questions = ["Please describe this image in detail.", "How many objects are there?",
                     "图里有什么？"]
        lines = [f"/image {picture}", questions[0], f"/save {saved}", *questions[1:]]
        done = self.talk(*lines)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [line for line in done.stdout.splitlines() if not line.startswith((
            str(picture), "1 turns"))]
        self.assertEqual(len(answers), 3, done.stdout)
        cold = self.ok("describe", "--model", TINY_VL, "--history", saved, "--prompt", questions[1])
        self.assertEqual(cold.strip(), answers[1])
        history = json.loads(saved.read_text())
        history["turns"].append([questions[1], answers[1]])
        saved.write_text(json.dumps(history))
        cold = self.ok("describe", "--model", TINY_VL, "--history", saved, "--prompt", questions[2])
        self.assertEqual(cold.strip(), answers[2])

    def test_goes_on_from_a_saved_conversation(self):
        shutil.copyfile(IMAGES / "cat.png", self.folder / "my cat.png")
        saved = self.folder / "talk.json"
        self.talk(f"/image {self.folder / 'my cat.png'}", "What is this?", f"/save {saved}",
                  options=SHORT)
        fields = json.loads(saved.read_text())
        self.assertEqual(fields["pictures"][0]["file"], str(self.folder / "my cat.png"))
        self.assertEqual(len(fields["turns"]), 1)
        fields["pictures"][0]["file"] = "my cat.png"  # beside the file
        saved.write_text(json.dumps(fields))
        done = self.talk("And now?", options=("--history", saved, *SHORT))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(stats_of(done.stderr)[0][1], 0)

    def test_pictures_come_with_the_next_question_and_can_be_taken_back(self):
        cat, text = IMAGES / "cat.png", IMAGES / "text.png"
        done = self.talk(f"/image {cat}", "/drop", f"/image {text} 1", f"/image {text} 4", "What?",
                         f"/image {cat} 1", "And this?", model=HD, options=SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = stats_of(done.stderr)
        alone = [
            json.loads(self.ok("describe", picture, "--hd-num", hd_num, "--model", HD, "--json",
                               *SHORT))["image_tokens"]
            for picture, hd_num in ((text, 1), (text, 4), (cat, 1))
        ]
        self.assertEqual(first[1], alone[0] + alone[1])
        self.assertEqual(second[1], sum(alone))

    def test_reset_forgets_everything(self):
        question = "What color is the circle?"
        done = self.talk(question, "/reset", question, options=SHORT)
        first, second = stats_of(done.stderr)
        self.assertEqual(first, second)
        self.assertEqual(second[2], 0)

    def test_mistakes_are_one_line_each_and_change_nothing(self):
        done = self.talk("/image", "/image nowhere.png", "/image nowhere.png 4", "/fly", "/save",
                         f"/save {self.folder / 'no' / 'folder.json'}", f"/image {IMAGES} 0",
                         "/stats", "Hello?", options=SHORT)
        self.assertEqual(done.returncode, 1)  # nobody watched
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(errors), 7, done.stderr)
        self.assertIn("/help", errors[3])
        self.assertIn("no answer yet", done.stdout)
        self.assertEqual(len(stats_of(done.stderr)), 1)

    def test_an_unreadable_history_is_explained(self):
        bad = self.folder / "bad.json"
        for text, part in (('{"turns": 3}', "format"),
                           ('{"format": "ixc-conversation", "version": 9}', "version"),
                           ('[["only a question"]]', "[question, answer]"), ("[", "bad.json")):
            bad.write_text(text)
            line = self.fails(1, "chat", "--model", TINY_VL, "--history", bad, stdin="")
            self.assertIn(part, line)

    def test_a_typed_mark_needs_its_picture(self):
        done = self.talk("<ImageHere>What?", options=SHORT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("<ImageHere>", done.stderr)


class Terminal(unittest.TestCase):
    """Through a pseudo-terminal, as a person sees it."""

    def start(self, *options, model=TINY_VL):
        master, slave = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "HOME": "/nonexistent"}
        env.pop("XDG_STATE_HOME", None)
        self.process = subprocess.Popen(
            [IXC, "chat", "--model", str(model), *map(str, options)], stdin=slave, stdout=slave,
            stderr=slave, env=env, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
        os.close(slave)
        self.master = master
        self.seen = ""
        self.addCleanup(self.stop)
        self.wait_for("> ")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def wait_for(self, text, timeout=60):
        """Reads until `text` was shown after what earlier calls waited for; returns all up to it."""
        end = time.monotonic() + timeout
        while text not in self.seen:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                self.fail(f"waited for {text!r}, saw {self.seen!r}")
            self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        self.start("--max-new-tokens", 30000, model=MODELS / "vl-a")  # untrained: it never stops
        self.type("Tell me everything.\n")
        # The first word of its answer. A turn that is cut short before it never happened.
        self.wait_for("这")
        self.type("\x03")
        self.wait_for("(stopped)")
        self.wait_for("> ")
        self.assertIsNone(self.process.poll())
        self.type("/stats\n")
        self.wait_for("new tokens")
        self.type("/quit\n")
        self.assertEqual(self.process.wait(timeout=30), 0)

    def test_ctrl_c_at_the_prompt_clears_the_line(self):
        self.start()
        self.type("half a quest")
        self.wait_for("quest")
        self.type("\x03")
        self.wait_for("> ")
        self.assertIsNone(self.process.poll())
        self.type("/stats\n")
        self.wait_for("no answer yet")
        self.wait_for("> ")  # Ctrl-D is a key only where a line is being edited
        self.type("\x04")
        self.assertEqual(self.process.wait(timeout=30), 0)

    def test_lines_can_be_edited_and_called_back(self):
        self.start()
        self.type("/staxx\x7f\x7fts\n")
        self.wait_for("no answer yet")
        self.wait_for("> ")
        self.type("\x1b[A\n")  # arrow up: the line before
        self.wait_for("no answer yet")
        self.type("/quit\n")
        self.assertEqual(self.process.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
