# quern_folder(NAME MAY_INCLUDE folder... LIBRARIES lib...)
#
# Makes src/NAME an OBJECT target, quern_NAME, that sees the headers of the folders it names and of no
# other: each folder's headers are reached through a directory of its own that holds one link.
function(quern_folder name)
  cmake_parse_arguments(arg "" "" "MAY_INCLUDE;LIBRARIES" ${ARGN})
  set(view ${PROJECT_BINARY_DIR}/folders/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${name} ${view}/${name} SYMBOLIC)

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp
       ${PROJECT_SOURCE_DIR}/src/${name}/*.h)
  add_library(quern_${name} OBJECT ${sources})
  target_include_directories(quern_${name} PUBLIC $<BUILD_INTERFACE:${view}>
                             $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  set_target_properties(quern_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON CXX_EXTENSIONS OFF)
  target_link_libraries(quern_${name} PRIVATE quern_warnings ${arg_LIBRARIES})
  foreach(below IN LISTS arg_MAY_INCLUDE)
    target_include_directories(quern_${name} PRIVATE ${PROJECT_BINARY_DIR}/folders/${below})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY QUERN_FOLDERS ${name})
  set_property(GLOBAL APPEND PROPERTY QUERN_LIBRARIES ${arg_LIBRARIES})
endfunction()
