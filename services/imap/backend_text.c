#include "services/imap/backend_internal.h"

static bool make_request(const struct text_needle *needles, size_t count, struct arena *arena,
                         Mailrail__SearchTextRequest *ret, struct err *err)
{
    ret->needles = arena_new_array(arena, count + 1, Mailrail__TextNeedle *);
    for (size_t i = 0; ret->needles && i < count; i++) {
        Mailrail__TextNeedle *n = arena_new(arena, Mailrail__TextNeedle);
        if (!n)
            break;
        mailrail__text_needle__init(n);
        n->field = (Mailrail__TextField)needles[i].field;
        TRY(wire_text(arena, needles[i].word, &n->word, err));
        ret->needles[ret->n_needles++] = n;
    }
    return ret->n_needles == count || err_set(err, ERR_LIMIT, "request too large");
}

/* Runs come as distances and lengths by turns. */
static bool take_runs(const uint64_t *items, size_t len, struct arena *arena, struct id_runs *ret)
{
    struct id_run *runs = arena_new_array(arena, len / 2 + 1, struct id_run);
    uint64_t end = 0;
    for (size_t i = 0; runs && i + 1 < len; i += 2) {
        uint64_t first;
        if (__builtin_add_overflow(end, items[i], &first) ||
            __builtin_add_overflow(first, items[i + 1], &end) || end == first)
            return false;
        runs[i / 2] = (struct id_run){first, end};
    }
    *ret = (struct id_runs){runs, len / 2};
    return runs && len % 2 == 0;
}

static bool found_of(const Mailrail__SearchTextReply *r, size_t count, struct arena *arena,
                     struct text_found *ret)
{
    struct text_hits *hits = arena_new_array(arena, count + 1, struct text_hits);
    bool ok =
        hits && r->n_hits == count && take_runs(r->indexed, r->n_indexed, arena, &ret->indexed);
    for (size_t i = 0; ok && i < count; i++) {
        hits[i].known = r->hits[i]->known;
        hits[i].exact = r->hits[i]->exact;
        ok = take_runs(r->hits[i]->ids, r->hits[i]->n_ids, arena, &hits[i].ids);
    }
    ret->hits = hits;
    return ok;
}

bool backend_search_text(struct backend *b, const struct backend_call *call,
                         const struct text_needle *needles, size_t count, struct text_found *ret,
                         struct err *err)
{
    Mailrail__SearchTextRequest request = MAILRAIL__SEARCH_TEXT_REQUEST__INIT;
    request.token = data_of(call->token);
    TRY(make_request(needles, count, call->arena, &request, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "SearchText", &request.base, &message, err));
    return found_of((const Mailrail__SearchTextReply *)message, count, call->arena, ret) ||
           err_set(err, call->arena->exhausted ? ERR_LIMIT : ERR_CORRUPT,
                   "an answer of the text index that does not fit");
}
