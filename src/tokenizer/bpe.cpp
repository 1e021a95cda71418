#include "tokenizer/bpe.h"

#include <bit>

namespace quern::tokenizer {
namespace {

std::uint64_t mix(TokenId left, TokenId right) noexcept {
  const std::uint64_t pair =
      std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  const std::uint64_t product = pair * 0x9e3779b97f4a7c15u;
  return product ^ product >> 32;
}

}  // namespace

std::size_t MergeTable::slot_of(TokenId left, TokenId right) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = mix(left, right) & mask;
  while (slots_[slot].left != kNoToken &&
         (slots_[slot].left != left || slots_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void MergeTable::reserve(std::size_t count) {
  const std::size_t size = std::bit_ceil(count * 2 + 2);
  if (size <= slots_.size()) return;
  std::vector<Slot> old(size);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.left != kNoToken) slots_[slot_of(slot.left, slot.right)] = slot;
  }
}

void MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  reserve(used_ + 1);
  Slot& slot = slots_[slot_of(left, right)];
  if (slot.left != kNoToken) return;
  slot = {left, right, merge};
  ++used_;
}

Merge MergeTable::find(TokenId left, TokenId right) const noexcept {
  if (slots_.empty() || left == kNoToken || right == kNoToken) return {};
  return slots_[slot_of(left, right)].merge;
}

}  // namespace quern::tokenizer
