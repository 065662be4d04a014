#include "io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "common/error.h"
#include "io/safetensors.h"

namespace contlm::io {

std::string read_text(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const int error = errno;
    CONTLM_CHECK(error != ENOENT && error != ENOTDIR, FileNotFound, file.string(),
                 ": the file must exist, there is none; check the path");
    throw IoError(
        message(file.string(), ": cannot be opened: ", std::strerror(error), "; check the file's permissions"));
  }
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) {
      text.append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    const int error = errno;
    ::close(descriptor);
    CONTLM_CHECK(got == 0, IoError, file.string(), ": cannot be read: ", std::strerror(error),
                 "; it must be a readable file");
    return text;
  }
}

AtomicFile::AtomicFile(const std::filesystem::path& file) : file_(file) {
  // The process and a count make the name ours alone; O_EXCL refuses a leftover rather than write into it.
  static std::atomic<unsigned> count{0};
  beside_ = file.parent_path() / message(".", file.filename().string(), ".", ::getpid(), "-", count++, ".tmp");
  descriptor_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!committed_) ::unlink(beside_.c_str());
}

void AtomicFile::fail(const char* action) const {
  const int error = errno;
  throw IoError(message(file_.string(), ": cannot ", action, " the file: ", std::strerror(error),
                        "; the folder must exist, be writable and have room"));
}

void AtomicFile::write(const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    // Linux writes at most 2 GiB per call.
    const ssize_t wrote = ::write(descriptor_, bytes, std::min<std::size_t>(size, std::size_t{1} << 30));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("write");
    bytes += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
}

void AtomicFile::flush() {
  if (flushed_) return;
  if (::fsync(descriptor_) != 0) fail("write");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("write");
  flushed_ = true;
}

void AtomicFile::commit() {
  flush();
  if (::rename(beside_.c_str(), file_.c_str()) != 0) fail("create");
  committed_ = true;
  // Makes the rename itself durable. Some file systems refuse to flush a folder; the file is whole either way.
  const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : std::filesystem::path(".");
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  AtomicFile out(file);
  out.write(text.data(), text.size());
  out.commit();
}

}  // namespace contlm::io
