// The list of all kernel rows: complete, without doubles, and every row runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/kernel_rows.h"
#include "unit/kernels_test_util.h"

namespace ixc {
namespace {

TEST(KernelRows, EveryRowRunsAndSaysWhatItDoes) {
  ThreadPool pool(TeamOf(2));
  std::set<std::string> names;
  for (const KernelRow& row : ListKernelRows()) {
    EXPECT_TRUE(names.insert(row.name + row.dtype).second) << row.name << " twice";
    EXPECT_FALSE(row.details.empty()) << row.name;
    if (!IsSupported(row.isa)) continue;
    KernelShape small{std::min<int64_t>(row.shape.rows, 9), 128, 128};
    const KernelWork work = row.prepare(small, pool);
    work.run();
    EXPECT_GT(work.bytes, 0.0) << row.name;
    EXPECT_EQ(work.operations > 0.0, !row.dtype.empty()) << row.name;
  }
  for (const char* expected : {"gemm_f16_avx2F16", "gemv_bf16_avx512BF16", "attention_avx2F32",
                               "norm_scalar", "rope_avx2", "activation_avx512"}) {
    EXPECT_TRUE(names.contains(expected)) << expected;
  }
}

TEST(KernelRows, ChoicesNameRowsOfTheInstructionSet) {
  for (Isa isa : kAllIsas) {
    const std::vector<KernelChoice> choices = ExplainKernels(isa);
    EXPECT_GE(choices.size(), 16u);
    for (const KernelChoice& choice : choices) {
      const bool best_or_below =
          std::any_of(std::begin(kAllIsas), std::end(kAllIsas), [&](Isa below) {
            return below <= isa && choice.kernel.ends_with(std::string("_") + Name(below));
          });
      EXPECT_TRUE(best_or_below) << Name(isa) << ", " << choice.operation << ": " << choice.kernel;
      EXPECT_FALSE(choice.reason.empty());
    }
  }
}

}  // namespace
}  // namespace ixc
