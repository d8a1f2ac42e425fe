"""The shipped 4KHD model reads small numbers in large pictures, and only where they are cut into views."""
import json
import unittest

from program import TINY_4KHD, ProgramTest

EXAMPLES = TINY_4KHD / "examples"
QUESTION = "What is the number?"


def truth():
    """Caption and number of every example picture."""
    lines = (EXAMPLES / "truth.txt").read_text(encoding="utf-8").splitlines()
    captions = dict(line.split(": ", 1) for line in lines)
    numbers = {name: caption.split("The number ")[1].split()[0] for name, caption in captions.items()}
    return captions, numbers


class Tiny4khd(ProgramTest):
    def answers(self, *options):
        pictures = sorted(EXAMPLES.glob("*.png"))
        lines = self.ok("describe", "--model", TINY_4KHD, *pictures, "--json", *options).splitlines()
        found = [json.loads(line) for line in lines]
        return {answer["image"].rsplit("/", 1)[-1]: answer["answer"] for answer in found}

    def test_reads_most_numbers_of_its_examples(self):
        _, numbers = truth()
        read = self.answers("--prompt", QUESTION)
        right = sum(read[name] == number for name, number in numbers.items())
        self.assertGreaterEqual(right, 4, read)

    def test_one_view_is_too_small_to_read(self):
        _, numbers = truth()
        blurred = self.answers("--prompt", QUESTION, "--hd-num", "1")
        right = sum(blurred[name] == number for name, number in numbers.items())
        self.assertLessEqual(right, 1, blurred)

    def test_describes_its_examples(self):
        captions, _ = truth()

        def shapes(caption):  # what stands before the sentence about the number
            return caption.split(" The number ")[0]

        self.assertEqual({name: shapes(text) for name, text in self.answers().items()},
                         {name: shapes(text) for name, text in captions.items()})

    def test_fits_in_the_repository(self):
        size = sum(path.stat().st_size for path in TINY_4KHD.rglob("*") if path.is_file())
        self.assertLess(size, 8_000_000)


if __name__ == "__main__":
    unittest.main()
