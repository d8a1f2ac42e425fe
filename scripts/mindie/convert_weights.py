#!/usr/bin/env python3
"""The original's convert_weights.py, .bin files to safetensors in the same directory, carried out by
ixc."""
from twin import Parser, need_directory, run


def main():
    parser = Parser(__doc__)
    parser.add_argument("--model_path", required=True, help="weight directory with .bin files")
    options = parser.parse_args()
    need_directory("--model_path", options.model_path)
    run("convert", options.model_path, options.model_path)


if __name__ == "__main__":
    main()
