# Libraries that are headers only: needed to build quern, and not to link it.
find_package(nlohmann_json 3.10 CONFIG QUIET)
quern_need("${nlohmann_json_FOUND}" "nlohmann-json 3.10 or later" nlohmann-json3-dev)
find_package(Eigen3 CONFIG QUIET)  # asked for by number, no one request takes both 3.4 and 5
if(Eigen3_VERSION VERSION_LESS 3.4)
  set(Eigen3_FOUND FALSE)
endif()
quern_need("${Eigen3_FOUND}" "Eigen 3.4 or later" libeigen3-dev)
set(QUERN_HEADER_LIBRARIES nlohmann_json::nlohmann_json Eigen3::Eigen)

if(QUERN_BUILD_CLI)
  find_path(QUERN_CLI11_INCLUDE CLI/CLI.hpp)
  mark_as_advanced(QUERN_CLI11_INCLUDE)
  quern_need("${QUERN_CLI11_INCLUDE}" "CLI11" libcli11-dev)
  add_library(quern_cli11 INTERFACE)
  target_include_directories(quern_cli11 SYSTEM INTERFACE ${QUERN_CLI11_INCLUDE})
endif()
