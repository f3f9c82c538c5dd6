#include "services/imap/progress.h"

#include "common/base/clock.h"
#include "services/imap/respond.h"

static int64_t next_time(const struct imap *imap)
{
    return clock_monotonic_ms() + (int64_t)imap->server->config->progress_interval_s * 1000;
}

struct progress progress_start(const struct imap *imap)
{
    return (struct progress){
        .next_ms = imap_has_capability(imap, STR("INPROGRESS")) ? next_time(imap) : CLOCK_NEVER};
}

/* RFC 9585 3: a tag with "]" would end the response code. */
static void write_tag(struct imap *imap, struct buf *out)
{
    if (str_find_char(imap->tag, ']') >= 0)
        buf_append(out, STR("NIL"));
    else
        respond_string(out, imap->tag, false);
}

void progress_tell(struct imap *imap, struct progress *p, uint64_t done, uint64_t goal)
{
    struct buf *out = imap_out(imap);
    if (clock_monotonic_ms() < p->next_ms)
        return;
    p->next_ms = next_time(imap);
    done += p->before;
    buf_append(out, STR("* OK [INPROGRESS ("));
    write_tag(imap, out);
    if (goal == 0 || p->in_parts)
        buf_printf(out, " %llu NIL)] at work\r\n", (unsigned long long)done);
    else
        buf_printf(out, " %llu %llu)] at work\r\n", (unsigned long long)done,
                   (unsigned long long)goal);
    session_send_now(imap->session); /* for one who waits: not together with the result */
}
