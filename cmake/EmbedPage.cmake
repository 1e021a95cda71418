# cmake -DFOLDER=... -DOUTPUT=... -P EmbedPage.cmake
#
# Writes the page, with its style and script put in, as a C++ source that defines quern::serve::page_text().
file(READ ${FOLDER}/index.html page)
foreach(part IN ITEMS style.css app.js)
  file(READ ${FOLDER}/${part} text)
  string(REPLACE "/*${part}*/" "${text}" page "${page}")
endforeach()

# In pieces: compilers bound the length of a literal.
set(source "#include \"serve/page.h\"\n\nnamespace quern::serve {\n\nstd::string_view page_text() noexcept {\n  return")
string(LENGTH "${page}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${page}" ${at} 8000 piece)
  string(APPEND source "\n      R\"page(${piece})page\"")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUTPUT} "${source};\n}\n\n}  // namespace quern::serve\n")
