# nlohmann/json is header-only; its PyPI wheel carries the headers.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "import nlohmann_json, os; print(os.path.dirname(nlohmann_json.__file__))"
  OUTPUT_VARIABLE json_root
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
find_path(JSON_INCLUDE_DIR nlohmann/json.hpp
  PATHS ${json_root}/include ${json_root}/../nlohmann_json/include NO_DEFAULT_PATH REQUIRED)
add_library(contlm_json INTERFACE)
add_library(contlm::json ALIAS contlm_json)
target_include_directories(contlm_json SYSTEM INTERFACE ${JSON_INCLUDE_DIR})
