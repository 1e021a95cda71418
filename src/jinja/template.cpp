#include "jinja/template.h"

#include "jinja/parser.h"
#include "jinja/run.h"

namespace quern::jinja {

Template Template::parse(std::string_view source) {
  Template made;
  made.program_ = std::make_shared<const Program>(jinja::parse(source));
  return made;
}

Text Template::render(const Dict& data, const RenderOptions& options) const {
  return Run(*program_, data, options).render();
}

}  // namespace quern::jinja
