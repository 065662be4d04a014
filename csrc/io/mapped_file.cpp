#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/error.h"

namespace contlm::io {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  struct stat status{};
  // Looked at before it is opened: opening a pipe would wait for a writer.
  if (::stat(path.c_str(), &status) != 0) {
    const int error = errno;
    CONTLM_CHECK(error != ENOENT && error != ENOTDIR, FileNotFound, path.string(),
                 ": the file must exist, there is none; check the path");
    throw IoError(
        message(path.string(), ": cannot be opened: ", std::strerror(error), "; check the path and its permissions"));
  }
  CONTLM_CHECK(S_ISREG(status.st_mode), CheckpointError, path.string(), ": must be a regular file, got ",
               S_ISDIR(status.st_mode) ? "a folder" : "something else", "; give the path of a .safetensors file");
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  CONTLM_CHECK(descriptor_ >= 0, IoError, path.string(), ": cannot be opened: ", std::strerror(errno),
               "; check the file's permissions");
  if (::fstat(descriptor_, &status) == 0) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    modified_ = status.st_mtim;
    if (size_ == 0) return;
    void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor_, 0);
    if (mapped != MAP_FAILED) {
      data_ = static_cast<std::byte*>(mapped);
      return;
    }
  }
  const int error = errno;
  ::close(descriptor_);
  throw IoError(message(path.string(), ": cannot be mapped into memory: ", std::strerror(error),
                        "; the file system must support mmap and the address space must hold the file"));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
  ::close(descriptor_);
}

void MappedFile::check_unchanged() const {
  struct stat status{};
  const bool same = ::fstat(descriptor_, &status) == 0 && static_cast<std::uint64_t>(status.st_size) == size_ &&
                    status.st_mtim.tv_sec == modified_.tv_sec && status.st_mtim.tv_nsec == modified_.tv_nsec;
  CONTLM_CHECK(same, CheckpointError, path_.string(), ": the file must stay as it was when it was opened (", size_,
               " bytes), but it was changed or truncated since (now ", status.st_size, " bytes); open it again");
}

std::string MappedFile::read(std::uint64_t begin, std::uint64_t count) const {
  std::string bytes(count, '\0');
  for (std::uint64_t done = 0; done < count;) {
    const ssize_t got = ::pread(descriptor_, bytes.data() + done, count - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    CONTLM_CHECK(got >= 0, IoError, path_.string(), ": cannot be read: ", std::strerror(errno),
                 "; check the disk that holds it");
    CONTLM_CHECK(got > 0, CheckpointError, path_.string(), ": ", begin + count,
                 " bytes must be there, the file ends after ", begin + done,
                 "; it was truncated, download or save it again");
    done += static_cast<std::uint64_t>(got);
  }
  return bytes;
}

}  // namespace contlm::io
