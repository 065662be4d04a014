// Whole files: text in, and output that appears under its name only once it is complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace contlm::io {

// FileNotFound, or IoError with the system's reason.
std::string read_text(const std::filesystem::path& file);

// A file written beside its final name. commit() flushes it to disk and renames it; without a commit, whatever the
// reason, the destructor removes it, so that no failure leaves half a file. Errors are IoErrors that name the final
// path.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& file);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  // Puts the bytes on disk; what can still fail after it is the rename. commit() does it when it has not been done.
  void flush();
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;
  std::filesystem::path file_;
  std::filesystem::path beside_;
  int descriptor_ = -1;
  bool flushed_ = false;
  bool committed_ = false;
};

}  // namespace contlm::io
