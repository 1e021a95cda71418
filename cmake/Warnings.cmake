# What every target of this project compiles with; nothing here reaches a consumer.
add_library(quern_warnings INTERFACE)
target_compile_features(quern_warnings INTERFACE cxx_std_20)
target_compile_options(quern_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       $<$<BOOL:${QUERN_WERROR}>:-Werror>)
# GCC 12 warns of std::string's own operator+ (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(quern_warnings INTERFACE -Wno-restrict)
endif()
# Files that are compiled as one are in each other's sight, of which these two would warn.
if(CMAKE_UNITY_BUILD)
  target_compile_options(quern_warnings INTERFACE -Wno-shadow
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
