# Finds the installed torch by asking it, without its CMake package, which would want MKL, CUDA and Caffe2's own set-up.
# Defines the target contlm::torch (libtorch) and contlm::torch_python (the Python casters).
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "import torch, os; print(os.path.dirname(torch.__file__)); print(torch.__version__); print(int(torch._C._GLIBCXX_USE_CXX11_ABI))"
  OUTPUT_VARIABLE torch_answers
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" torch_answers "${torch_answers}")
list(GET torch_answers 0 TORCH_ROOT)
list(GET torch_answers 1 TORCH_VERSION)
list(GET torch_answers 2 TORCH_CXX11_ABI)
message(STATUS "torch ${TORCH_VERSION} in ${TORCH_ROOT}")

add_library(contlm_torch INTERFACE)
add_library(contlm::torch ALIAS contlm_torch)
target_include_directories(contlm_torch SYSTEM INTERFACE ${TORCH_ROOT}/include)
target_compile_definitions(contlm_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=${TORCH_CXX11_ABI})
target_link_directories(contlm_torch INTERFACE ${TORCH_ROOT}/lib)
target_link_libraries(contlm_torch INTERFACE torch torch_cpu c10)

add_library(contlm_torch_python INTERFACE)
add_library(contlm::torch_python ALIAS contlm_torch_python)
target_include_directories(contlm_torch_python SYSTEM INTERFACE ${TORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(contlm_torch_python INTERFACE contlm::torch torch_python)

# The OpenMP runtime that torch itself loads: a second one in the process would fight it for the cores.
file(GLOB torch_gomp ${TORCH_ROOT}/lib/libgomp*.so*)
add_library(contlm_openmp INTERFACE)
add_library(contlm::openmp ALIAS contlm_openmp)
target_compile_options(contlm_openmp INTERFACE -fopenmp)
if(torch_gomp)
  list(GET torch_gomp 0 torch_gomp)
  target_link_libraries(contlm_openmp INTERFACE ${torch_gomp})
else()
  target_link_options(contlm_openmp INTERFACE -fopenmp)
endif()
