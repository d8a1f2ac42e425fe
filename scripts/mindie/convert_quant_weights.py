#!/usr/bin/env python3
"""The original's convert_quant_weights.py, carried out by ixc: w8a8 and w8a8s directories.

The step before it, taking im_mask out of a copy of the model's Python code, is not needed."""
from twin import Parser, fail, need_directory, run, true_or_false

# Options that the original's script takes and does not look at, with its number of values each.
IGNORED = {"--calib_texts": "*", "--calib_dataset_length": None, "--disable_names": "*",
           "--part_file_size": None, "--tokenizer_args": None, "--mm_tensor": None,
           "--disable_last_linear": None, "--tp_size": None, "--max_position_embeddings": None}
# Switches whose other setting makes weights that ixc does not make.
FIXED = {"is_lowbit": False, "do_smooth": False, "use_sigma": False, "use_kvcache_quant": False,
         "is_dynamic": False, "open_outlier": True, "w_sym": True}


def parse():
    parser = Parser(__doc__)
    parser.add_argument("--model_path", required=True, help="weight directory")
    parser.add_argument("--save_directory", required=True, help="directory to write")
    parser.add_argument("--w_bit", type=int, default=8, help="8, or 4 with --co_sparse True")
    parser.add_argument("--a_bit", type=int, default=8, help="8")
    parser.add_argument("--calib_file", default="teacher_qualification.jsonl",
                        help="JSON lines with a field inputs_pretokenized (none is shipped)")
    parser.add_argument("--device_type", default="cpu", choices=("cpu", "npu"),
                        help="accepted and changes nothing")
    parser.add_argument("--fraction", type=float, default=0.01,
                        help="share of weights left large, 0.01 to 0.1 (w8a8s)")
    parser.add_argument("--act_method", type=int, default=1, help="1, min-max")
    parser.add_argument("--co_sparse", type=true_or_false, default=False, metavar="True|False",
                        help="True: w8a8s")
    for name, value in FIXED.items():
        parser.add_argument(f"--{name}", type=true_or_false, default=value, metavar="True|False",
                            help=f"{value} only")
    parser.add_argument("--sigma_factor", type=float, default=3.0, help="changes nothing here")
    parser.add_argument("--group_size", type=int, default=64, help="changes nothing here")
    parser.add_argument("--anti_method", default="", help="none only")
    parser.add_argument("--disable_level", default="L0", help="L0 only")
    for name, count in IGNORED.items():
        parser.add_argument(name, nargs=count, help="changes nothing, as in the original")
    return parser.parse_args()


def scheme_of(options):
    """w8a8 or w8a8s, or an error that says what is there instead."""
    other = "; ixc quantize has w8a8, w8a8s, w8a8d and w4"
    for name, value in FIXED.items():
        if getattr(options, name) != value:
            fail(f"--{name} {not value} is not supported{other}", 2)
    for name, value in (("act_method", 1), ("anti_method", ""), ("disable_level", "L0")):
        if getattr(options, name) != value:
            fail(f"--{name} {getattr(options, name)} is not supported{other}", 2)
    if options.co_sparse:  # as there: whatever the widths say, they become 4 and 8
        return "w8a8s"
    if (options.w_bit, options.a_bit) != (8, 8):
        fail(f"--w_bit {options.w_bit} --a_bit {options.a_bit} is not supported without "
             f"--co_sparse True{other}", 2)
    return "w8a8"


def main():
    options = parse()
    scheme = scheme_of(options)
    need_directory("--model_path", options.model_path)
    if not 0.01 <= options.fraction <= 0.1:
        fail(f"--fraction {options.fraction} is not within 0.01 and 0.1", 2)
    fraction = ["--fraction", options.fraction] if scheme == "w8a8s" else []
    run("quantize", options.model_path, options.save_directory, "--scheme", scheme, "--calib",
        options.calib_file, *fraction)


if __name__ == "__main__":
    main()
