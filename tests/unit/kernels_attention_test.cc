// Attention: every row of the table against softmax in double precision with a computed bound, and
// bit-equality over chunks, threads and what lies in unused positions.
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_table.h"
#include "unit/kernels_test_util.h"

namespace ixc {

void PrintTo(const AttentionKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

ThreadPool& Pool() {
  static ThreadPool pool(1);
  return pool;
}

// A filled cache and what went into it.
struct Cache {
  Cache(KvShape kv_shape, int64_t num_keys, uint32_t seed, std::byte filler = std::byte{0xff})
      : shape(kv_shape),
        k(num_keys, int64_t{shape.num_kv_heads} * shape.head_dim,
          int64_t{shape.num_kv_heads} * shape.head_dim + 2, 0),
        v(k) {
    v.view.data = v.values.data();
    Fill(k.view, seed);
    Fill(v.view, seed + 1);
    for (int64_t block = 0; block * kKeyBlock < num_keys; ++block) {
      memory.emplace_back(shape.BlockBytes(), filler);  // 0xff everywhere is NaN
    }
    for (auto& block : memory) blocks.push_back(block.data());
  }
  void Store(int64_t first, int64_t count, Isa isa = Isa::kScalar) {
    StoreKeysValues(shape, k.view.Rows(first, count), v.view.Rows(first, count), first, blocks,
                    {isa, &Pool()});
  }

  KvShape shape;
  StridedMatrix k, v;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> blocks;
};

// Element `d` of one head at one position as the cache holds it; `head` points to its `dim` values.
double Stored(DType dtype, const float* head, int dim, int d) {
  if (dtype == DType::kF16) return static_cast<double>(ToFloat(ToHalf(head[d])));
  if (dtype == DType::kF32) return static_cast<double>(head[d]);
  float largest = 0;
  for (int i = 0; i < dim; ++i) largest = std::max(largest, std::abs(head[i]));
  const float scale = largest / 127.0f;
  return static_cast<double>(std::nearbyint(head[d] * (1.0f / scale))) * static_cast<double>(scale);
}

// One query head of one row in double, with the error bound of a float32 evaluation.
struct Reference {
  std::vector<double> out;
  double bound;
};

Reference Attend(const Cache& cache, const AttentionArgs& args, const float* q, int64_t row,
                 int head) {
  const int dim = cache.shape.head_dim;
  const int kv_head = head / (args.num_heads / cache.shape.num_kv_heads);
  const int64_t keys = args.causal ? args.first_position + row + 1 : args.num_keys;
  std::vector<double> scores;
  double score_error = 0, largest = -std::numeric_limits<double>::infinity();
  for (int64_t key = 0; key < keys; ++key) {
    double dot = 0, magnitude = 0;
    for (int d = 0; d < dim; ++d) {
      const double product =
          static_cast<double>(q[d]) *
          Stored(cache.shape.dtype, cache.k.view.Row(key) + kv_head * dim, dim, d);
      dot += product;
      magnitude += std::abs(product);
    }
    scores.push_back(dot * static_cast<double>(args.scale));
    largest = std::max(largest, scores.back());
    score_error =
        std::max(score_error, Gamma(dim + 3) * magnitude * static_cast<double>(args.scale));
  }
  Reference reference{std::vector<double>(static_cast<size_t>(dim), 0.0), 0};
  double sum = 0, largest_value = 0;
  for (int64_t key = 0; key < keys; ++key) {
    const double weight = std::exp(scores[static_cast<size_t>(key)] - largest);
    sum += weight;
    for (int d = 0; d < dim; ++d) {
      const double value = Stored(cache.shape.dtype, cache.v.view.Row(key) + kv_head * dim, dim, d);
      reference.out[static_cast<size_t>(d)] += weight * value;
      largest_value = std::max(largest_value, std::abs(value));
    }
  }
  for (double& value : reference.out) value /= sum;
  // Each weight is off by its score's error twice (its own and the largest's) and by exp (2 ulp,
  // again at each rescaling), and the two sums by gamma.
  const double weight_error = 2 * score_error + 4 * kEps * (2 + static_cast<double>(keys / 64));
  reference.bound = 2 * (weight_error + Gamma(keys + 8)) * largest_value;
  return reference;
}

struct Case {
  int heads, kv_heads, head_dim;
  int64_t first, rows;
  bool causal;
};

class AttentionRowTest : public testing::TestWithParam<AttentionKernel> {};

TEST_P(AttentionRowTest, MeetsSoftmaxInDouble) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  const Compute compute{GetParam().isa, &Pool()};
  const Case cases[] = {
      {4, 2, 16, 0, 1, true},    {4, 4, 24, 0, 70, true},   {6, 2, 32, 61, 9, true},
      {4, 1, 64, 130, 1, true},  {2, 2, 128, 30, 67, true}, {3, 3, 64, 0, 65, false},
      {8, 2, 128, 200, 3, true}, {1, 1, 7, 0, 5, false},    {20, 1, 8, 3, 20, true},
      {4, 2, 24, 1090, 1, true}, {2, 1, 16, 520, 70, true}};
  for (const Case& c : cases) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kI8}) {
      const int64_t keys = c.first + c.rows;
      Cache cache({c.kv_heads, c.head_dim, dtype}, keys, 17);
      cache.Store(0, keys);
      const int64_t width = int64_t{c.heads} * c.head_dim;
      StridedMatrix q(c.rows, width, width + 7, 1e30f), out(c.rows, width, width + 9, -7.0f);
      Fill(q.view, 19);
      const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
      const AttentionArgs args{cache.shape, cache.blocks, c.heads, c.first, keys, c.causal, scale};
      Attention(args, q.view, out.view, compute);
      ASSERT_TRUE(out.GapsHold(-7.0f));
      for (int64_t row = 0; row < c.rows; row += 1 + c.rows / 9) {
        for (int head = 0; head < c.heads; ++head) {
          const Reference expected =
              Attend(cache, args, q.view.Row(row) + head * c.head_dim, row, head);
          for (int d = 0; d < c.head_dim; ++d) {
            ASSERT_NEAR(out.view.Row(row)[head * c.head_dim + d],
                        expected.out[static_cast<size_t>(d)], expected.bound)
                << c.heads << "/" << c.kv_heads << " heads of " << c.head_dim << ", row " << row
                << " after " << c.first << ", " << Name(dtype);
          }
        }
      }
    }
  }
}

// Scores far apart: weights underflow to 0 and one key takes all; nothing turns into NaN.
TEST_P(AttentionRowTest, SurvivesExtremeScores) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  Cache cache({1, 16, DType::kF32}, 150, 1);
  for (int64_t key = 0; key < 150; ++key) {
    for (int d = 0; d < 16; ++d) cache.k.view.Row(key)[d] = static_cast<float>(key) * 100.0f;
  }
  cache.Store(0, 150);
  StridedMatrix q(2, 16, 16, 1.0f), out(2, 16, 16, 0);
  for (int d = 0; d < 16; ++d) q.view.Row(1)[d] = -1.0f;
  Attention({cache.shape, cache.blocks, 1, 0, 150, false, 1.0f}, q.view, out.view,
            {GetParam().isa, &Pool()});
  for (int d = 0; d < 16; ++d) {
    EXPECT_EQ(out.view.Row(0)[d], cache.v.view.Row(149)[d]);
    EXPECT_EQ(out.view.Row(1)[d], cache.v.view.Row(0)[d]);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, AttentionRowTest,
                         testing::ValuesIn(AttentionKernels().begin(), AttentionKernels().end()),
                         RowName<AttentionKernel>);

// All rows over all keys at once: what every other way must give, to the bit.
struct WholeAttention {
  WholeAttention(const KvShape& shape, int heads, int64_t rows, Isa isa)
      : cache(shape, rows, 5),
        q(rows, int64_t{heads} * shape.head_dim, int64_t{heads} * shape.head_dim, 0),
        out(rows, int64_t{heads} * shape.head_dim, int64_t{heads} * shape.head_dim, 0) {
    cache.Store(0, rows, isa);
    Fill(q.view, 6);
    Attention({cache.shape, cache.blocks, heads, 0, rows, true, 0.2f}, q.view, out.view,
              {isa, &Pool()});
  }

  Cache cache;
  StridedMatrix q, out;
};

TEST(Attention, ResultsDoNotDependOnChunksThreadsOrUnusedMemory) {
  const int64_t rows = 150;
  const int heads = 6, dim = 40;
  const int64_t width = heads * dim;
  for (Isa isa : SupportedIsas()) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kI8}) {
      WholeAttention whole({2, dim, dtype}, heads, rows, isa);
      for (int64_t chunk : {1, 7, 64, 100}) {
        ThreadPool pool(TeamOf(chunk == 7 ? 3 : 1));
        Cache grown({2, dim, dtype}, rows, 5, std::byte{static_cast<unsigned char>(chunk)});
        StridedMatrix out(rows, width, width, 0);
        for (int64_t first = 0; first < rows; first += chunk) {
          const int64_t count = std::min(chunk, rows - first);
          grown.Store(first, count, isa);
          Attention({grown.shape, grown.blocks, heads, first, first + count, true, 0.2f},
                    whole.q.view.Rows(first, count), out.view.Rows(first, count), {isa, &pool});
        }
        ASSERT_TRUE(SameBits(out.values, whole.out.values))
            << Name(isa) << " " << Name(dtype) << " in chunks of " << chunk;
      }
    }
  }
}

// Behind more than one span of blocks a few rows are split over keys.
TEST(Attention, SplittingOverKeysChangesNoBit) {
  const int64_t rows = 1100;
  const int heads = 4, dim = 24;
  const int64_t width = heads * dim;
  for (Isa isa : SupportedIsas()) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kI8}) {
      WholeAttention whole({2, dim, dtype}, heads, rows, isa);
      for (int threads : {1, 3}) {
        ThreadPool pool(TeamOf(threads));
        for (const auto& [first, count] : {std::pair{1099, 1}, {1024, 1}, {600, 3}, {511, 1}}) {
          StridedMatrix out(count, width, width, 0);
          Attention(
              {whole.cache.shape, whole.cache.blocks, heads, first, first + count, true, 0.2f},
              whole.q.view.Rows(first, count), out.view, {isa, &pool});
          ASSERT_TRUE(SameBits(out.values, Contents(whole.out.view.Rows(first, count))))
              << Name(isa) << " " << Name(dtype) << ", " << count << " rows behind " << first;
        }
      }
    }
  }
}

// Rows of several sequences at once, with and without splitting over keys.
TEST(Attention, OtherSequencesInTheSameCallChangeNoBit) {
  const int64_t rows = 1100;
  const int heads = 4, dim = 24;
  const int64_t width = heads * dim;
  for (Isa isa : SupportedIsas()) {
    WholeAttention whole({2, dim, DType::kF16}, heads, rows, isa);
    for (int threads : {1, 2, 3}) {
      for (const size_t num_calls : {2u, 9u}) {
        ThreadPool pool(TeamOf(threads));
        const std::pair<int64_t, int64_t> parts[] = {
            {64, 130}, {1099, 1}, {3, 1}, {1024, 5}, {600, 1}, {511, 1}, {0, 1}, {700, 1}, {63, 2}};
        std::vector<StridedMatrix> outs;
        std::vector<AttentionCall> calls;
        for (size_t i = 0; i < num_calls; ++i) outs.emplace_back(parts[i].second, width, width, 0);
        for (size_t i = 0; i < num_calls; ++i) {
          const auto [first, count] = parts[i];
          calls.push_back(
              {{whole.cache.shape, whole.cache.blocks, heads, first, first + count, true, 0.2f},
               whole.q.view.Rows(first, count),
               {outs[i].values.data(), count, width, width}});
        }
        Attention(calls, {isa, &pool});
        for (size_t i = 0; i < num_calls; ++i) {
          const auto [first, count] = parts[i];
          ASSERT_TRUE(SameBits(outs[i].values, Contents(whole.out.view.Rows(first, count))))
              << Name(isa) << ", " << count << " rows behind " << first << " on " << threads;
        }
      }
    }
  }
}

TEST(Attention, RefusesShapesThatDoNotFit) {
  Cache cache({2, 16, DType::kF32}, 64, 1);
  cache.Store(0, 64);
  StridedMatrix q(4, 64, 64, 0), out(4, 64, 64, 0);
  const Compute compute{Isa::kScalar, &Pool()};
  const AttentionArgs good{cache.shape, cache.blocks, 4, 60, 64, true, 1.0f};
  Attention(good, q.view, out.view, compute);
  for (int field = 0; field < 4; ++field) {
    AttentionArgs bad = good;
    if (field == 0) bad.num_heads = 3;
    if (field == 1) bad.num_keys = 65;
    if (field == 2) bad.first_position = 61;
    if (field == 3) bad.num_heads = 2;
    EXPECT_THROW(Attention(bad, q.view, out.view, compute), Error) << field;
  }
  EXPECT_THROW(StoreKeysValues(cache.shape, q.view, q.view, 0, cache.blocks, compute), Error);
  EXPECT_THROW(StoreKeysValues(cache.shape, cache.k.view, cache.v.view, 1, cache.blocks, compute),
               Error);
}

}  // namespace
}  // namespace ixc
