// A file mapped into memory. The mapping is private and writable, so that a stray write through a tensor's view changes
// a page of this process and never the file, nor kills the process. The file stays open: one that is replaced by a
// rename remains readable as it was, one that is changed or cut in place is noticed by check_unchanged().
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <string>

namespace contlm::io {

class MappedFile {
 public:
  // FileNotFound, IoError with the system's reason, or CheckpointError when it is not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const { return data_; }  // nullptr for an empty file
  std::uint64_t size() const { return size_; }
  std::string where() const { return path_.string(); }

  // CheckpointError when the file's size or modification time is no longer what was mapped: reading on would give other
  // bytes than the ones that were validated, or a bus error past the end.
  void check_unchanged() const;
  // Bytes [begin, begin + count) by a system call, which a file that shrinks meanwhile cannot turn into a bus error.
  std::string read(std::uint64_t begin, std::uint64_t count) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
  std::timespec modified_{};
};

}  // namespace contlm::io
