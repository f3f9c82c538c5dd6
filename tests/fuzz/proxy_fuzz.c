/* Target functions: proxy_header_parse. Properties: a header lies within the input; cutting it
 * anywhere before its end asks for more; bytes behind it change nothing; never "more" when full. */
#include "common/base/bug.h"
#include "common/sys/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_make(data, size);
    struct proxy_header header, again;
    struct err err;
    if (!proxy_header_parse(input, &header, &err)) {
        BUG_ON(err.kind != ERR_SYNTAX && err.kind != ERR_LIMIT);
        return 0;
    }
    BUG_ON(header.len > size);
    BUG_ON(header.len == 0 && size >= PROXY_HEADER_MAX);
    if (header.len == 0)
        return 0;
    BUG_ON(!proxy_header_parse(str_slice(input, 0, header.len), &again, &err));
    BUG_ON(again.len != header.len || again.remote_port != header.remote_port);
    BUG_ON(!proxy_header_parse(str_slice(input, 0, header.len / 2), &again, &err));
    BUG_ON(again.len != 0);
    return 0;
}
