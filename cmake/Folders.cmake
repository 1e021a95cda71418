# quern_objects(NAME LIBRARIES lib...)
#
# Makes src/NAME an OBJECT target, quern_NAME, that sees its own headers, through a directory that holds
# one link to them, and the public ones.
function(quern_objects name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
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
endfunction()

# quern_folder(NAME MAY_INCLUDE folder... LIBRARIES lib...)
#
# Makes src/NAME a part of the library that sees the headers of the folders it names and of no other.
function(quern_folder name)
  cmake_parse_arguments(arg "" "" "MAY_INCLUDE;LIBRARIES" ${ARGN})
  quern_objects(${name} LIBRARIES ${arg_LIBRARIES})
  foreach(below IN LISTS arg_MAY_INCLUDE)
    target_include_directories(quern_${name} PRIVATE ${PROJECT_BINARY_DIR}/folders/${below})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY QUERN_FOLDERS ${name})
  set_property(GLOBAL APPEND PROPERTY QUERN_LIBRARIES ${arg_LIBRARIES})
endfunction()

# quern_component(NAME LIBRARIES lib...)
#
# Makes src/NAME the objects of a library of its own, which stands on the public headers.
function(quern_component name)
  quern_objects(${name} ${ARGN})
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  set_property(GLOBAL PROPERTY QUERN_${name}_LIBRARIES ${arg_LIBRARIES})
endfunction()

# quern_library(NAME [STATIC|SHARED])
#
# The library, made of the objects of all folders; static or shared as BUILD_SHARED_LIBS says, or as
# said here.
function(quern_library name)
  get_property(folders GLOBAL PROPERTY QUERN_FOLDERS)
  get_property(libraries GLOBAL PROPERTY QUERN_LIBRARIES)
  list(TRANSFORM folders REPLACE "(.+)" "$<TARGET_OBJECTS:quern_\\1>" OUTPUT_VARIABLE objects)
  add_library(${name} ${ARGN} ${objects})
  quern_library_of_objects(${name} quern "${libraries}")
endfunction()

# quern_component_library(NAME COMPONENT BELOW [STATIC|SHARED])
#
# The library of a component's objects; BELOW is the library of quern that it links.
function(quern_component_library name component below)
  get_property(libraries GLOBAL PROPERTY QUERN_${component}_LIBRARIES)
  add_library(${name} ${ARGN} $<TARGET_OBJECTS:quern_${component}>)
  quern_library_of_objects(${name} ${component} "${libraries}")
  target_link_libraries(${name} PUBLIC ${below})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME quern_${component})
endfunction()

function(quern_library_of_objects name exported libraries)
  list(REMOVE_DUPLICATES libraries)
  list(REMOVE_ITEM libraries ${QUERN_HEADER_LIBRARIES})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PRIVATE ${libraries})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME quern EXPORT_NAME ${exported}
                        VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  get_target_property(type ${name} TYPE)
  if(type STREQUAL SHARED_LIBRARY AND NOT APPLE AND NOT WIN32)
    # Hides what visibility cannot: templates of other libraries that the objects instantiate.
    target_link_options(${name} PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map
                        LINKER:--no-undefined)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
  endif()
endfunction()

# quern_program(FOLDER OUTPUT LIBRARIES lib... [WITHOUT file...])
#
# Makes src/FOLDER the program OUTPUT: it sees the public headers and its own, and links the library.
function(quern_program folder output)
  cmake_parse_arguments(arg "" "" "LIBRARIES;WITHOUT" ${ARGN})
  set(view ${PROJECT_BINARY_DIR}/folders/${folder})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${folder} ${view}/${folder} SYMBOLIC)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.cpp
       ${PROJECT_SOURCE_DIR}/src/${folder}/*.h)
  list(TRANSFORM arg_WITHOUT PREPEND ${PROJECT_SOURCE_DIR}/src/${folder}/)
  list(REMOVE_ITEM sources ${arg_WITHOUT})
  add_executable(quern_${folder} ${sources})
  target_include_directories(quern_${folder} PRIVATE ${view})
  target_link_libraries(quern_${folder} PRIVATE quern::quern quern_warnings ${arg_LIBRARIES})
  set_target_properties(quern_${folder} PROPERTIES OUTPUT_NAME ${output}
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS quern_${folder} RUNTIME)
endfunction()
