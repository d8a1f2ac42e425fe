#include <gtest/gtest.h>

#include "model/rope_table.h"

namespace ixc {
namespace {

RopeTable TableOf(RopeScaling::Type type) {
  RopeConfig config;
  config.head_dim = 8;
  config.scaling.type = type;
  config.scaling.factor = 2.0;
  config.max_position_embeddings = 64;
  return RopeTable(config);
}

void Grow(RopeTable& table, int64_t total_length) {
  Matrix cos(1, 4);
  Matrix sin(1, 4);
  table.Lookup(total_length - 1, total_length, cos, sin);
}

TEST(RopeTable, PlainAndLinearAnglesDependOnThePositionOnly) {
  for (const auto type : {RopeScaling::Type::kNone, RopeScaling::Type::kLinear}) {
    RopeTable table = TableOf(type);
    Grow(table, 1000);
    EXPECT_TRUE(table.KeepsAngles(10));
    EXPECT_TRUE(table.KeepsAngles(2000));
  }
}

TEST(RopeTable, DynamicScalingTurnsKeysOtherwiseBeyondTheTrainedLength) {
  RopeTable table = TableOf(RopeScaling::Type::kDynamic);
  Grow(table, 60);
  EXPECT_TRUE(table.KeepsAngles(64));
  EXPECT_FALSE(table.KeepsAngles(65)) << "a cold run of 65 would rotate all of its keys so";
  Grow(table, 65);
  EXPECT_FALSE(table.KeepsAngles(10)) << "the base has changed for good";
}

}  // namespace
}  // namespace ixc
