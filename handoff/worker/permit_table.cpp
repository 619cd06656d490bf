// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/permit_table.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using Slot = std::atomic<std::uint64_t>;

// Of all permits together; what is looked through for one step.
constexpr std::size_t slots = 16384;
constexpr std::size_t memory_bytes = slots * sizeof(Slot);
static_assert(Slot::is_always_lock_free);

// Neither is ever 0.
constexpr std::uint64_t is_device = 1ULL << 63U;
constexpr std::uint64_t is_id = 1ULL << 62U;

std::uint64_t entry_of(const sysfs::PciAddress& address) {
  return is_device | (static_cast<std::uint64_t>(address.domain) << 16U) |
         (static_cast<std::uint64_t>(address.bus) << 8U) | (static_cast<std::uint64_t>(address.slot) << 3U) |
         address.function;
}

sysfs::PciAddress address_of(std::uint64_t entry) {
  return {.domain = static_cast<std::uint32_t>((entry >> 16U) & 0xffffffffU),
          .bus = static_cast<std::uint8_t>((entry >> 8U) & 0xffU),
          .slot = static_cast<std::uint8_t>((entry >> 3U) & 0x1fU),
          .function = static_cast<std::uint8_t>(entry & 7U)};
}

// "8086 10d3". 0: the text is not an ID.
std::uint64_t entry_of(std::string_view id) {
  if (id.size() != 9 || id[4] != ' ') return 0;
  const auto vendor = sysfs::number_from<std::uint16_t>(id.substr(0, 4), 16);
  const auto device = sysfs::number_from<std::uint16_t>(id.substr(5), 16);
  if (!vendor || !device) return 0;
  return is_id | (static_cast<std::uint64_t>(*vendor) << 16U) | *device;
}

std::unexpected<sysfs::Error> kernel_error(const char* what) {
  return sysfs::fail(sysfs::ErrorCode::Kernel, std::string(what) + ": " + sysfs::errno_text(errno), errno);
}

sysfs::Result<Slot*> map_memory(int descriptor, int protection) {
  void* memory = ::mmap(nullptr, memory_bytes, protection, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return kernel_error("cannot map the memory of permits");
  return static_cast<Slot*>(memory);
}

bool has(const PermitMemory& memory, std::uint64_t wanted) {
  return wanted != 0 && std::ranges::any_of(memory.begin(), memory.end(), [wanted](const Slot& slot) {
           return slot.load(std::memory_order_acquire) == wanted;
         });
}

}  // namespace

PermitMemory::PermitMemory(PermitMemory&& other) noexcept
    : file_(std::move(other.file_)), slots_(std::exchange(other.slots_, nullptr)) {}

PermitMemory::~PermitMemory() {
  if (slots_ != nullptr) ::munmap(slots_, memory_bytes);
}

std::atomic<std::uint64_t>* PermitMemory::end() const { return slots_ + slots; }

sysfs::Result<PermitMemory> PermitMemory::create() {
  sysfs::FileDescriptor file(::memfd_create("devbindd-permits", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), memory_bytes) != 0) return kernel_error("cannot make the memory of permits");
  auto memory = map_memory(file.get(), PROT_READ | PROT_WRITE);
  if (!memory) return std::unexpected(memory.error());
  return PermitMemory(std::move(file), *memory);
}

sysfs::Result<PermitMemory> PermitMemory::view(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return kernel_error("the memory of permits is missing");
  if (status.st_size < static_cast<off_t>(memory_bytes))
    return sysfs::fail(sysfs::ErrorCode::Kernel, "the memory of permits is too short", EINVAL);
  auto memory = map_memory(descriptor, PROT_READ);
  if (!memory) return std::unexpected(memory.error());
  return PermitMemory(sysfs::FileDescriptor(), *memory);
}

bool PermitView::has_device(const sysfs::PciAddress& address) const { return has(memory_, entry_of(address)); }

bool PermitView::has_id(std::string_view id) const { return has(memory_, entry_of(id)); }

std::vector<sysfs::PciAddress> PermitView::devices() const {
  std::vector<sysfs::PciAddress> found;
  for (const auto& slot : std::ranges::subrange(memory_.begin(), memory_.end())) {
    const auto entry = slot.load(std::memory_order_acquire);
    if ((entry & is_device) != 0) found.push_back(address_of(entry));
  }
  return found;
}

sysfs::Result<> PermitTable::give(const Permit& permit) {
  if (permits_.contains(permit.number))
    return sysfs::fail(sysfs::ErrorCode::Kernel, "there is a permit of that number", EEXIST);
  if (permits_.size() >= max_permits)
    return sysfs::fail(sysfs::ErrorCode::TooBusy, "there are too many permits already");
  std::vector<std::uint64_t> entries;
  for (const auto& address : permit.devices) entries.push_back(entry_of(address));
  for (const auto& id : permit.ids) entries.push_back(entry_of(id));
  if (std::ranges::find(entries, 0U) != entries.end())
    return sysfs::fail(sysfs::ErrorCode::Kernel, "the permit names an ID in another form than VVVV DDDD", EINVAL);
  auto& given = permits_[permit.number];
  for (const auto entry : entries) {
    if (auto done = add(entry); !done) {
      withdraw(permit.number);
      return done;
    }
    given.push_back(entry);
  }
  return {};
}

void PermitTable::withdraw(std::uint64_t number) {
  const auto found = permits_.find(number);
  if (found == permits_.end()) return;
  for (const auto entry : found->second) remove(entry);
  permits_.erase(found);
}

sysfs::Result<> PermitTable::add(std::uint64_t entry) {
  if (counts_.contains(entry)) {
    ++counts_[entry];
    return {};
  }
  const auto free = std::ranges::find_if(memory_.begin(), memory_.end(),
                                         [](const Slot& slot) { return slot.load(std::memory_order_relaxed) == 0; });
  if (free == memory_.end()) return sysfs::fail(sysfs::ErrorCode::TooBusy, "permits name too many devices already");
  free->store(entry, std::memory_order_release);
  counts_[entry] = 1;
  return {};
}

void PermitTable::remove(std::uint64_t entry) {
  if (--counts_[entry] > 0) return;
  counts_.erase(entry);
  const auto place = std::ranges::find_if(memory_.begin(), memory_.end(), [entry](const Slot& slot) {
    return slot.load(std::memory_order_relaxed) == entry;
  });
  place->store(0, std::memory_order_release);
}

}  // namespace devbindd::handoff
