#include "serve/page.h"

#include "serve/routes/table.h"

namespace quern::serve {

void page(Exchange& exchange) {
  exchange.reply.set_header(
      "Content-Security-Policy",
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
      "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'");
  exchange.reply.set_header("Referrer-Policy", "no-referrer");
  exchange.reply.send(200, "text/html; charset=utf-8", page_text());
}

}  // namespace quern::serve
