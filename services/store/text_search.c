#include "services/store/text_search.h"

#include "common/text/utf8.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/text_worker.h"

/* A needle that no index can answer gets no word. */
static void make_needle(const Mailrail__TextNeedle *asked, struct arena *arena,
                        struct text_needle *ret)
{
    struct str word = str_from_cstr(asked->word);
    bool is_field = asked->field > MAILRAIL__TEXT_FIELD__TEXT_FIELD_ANYWHERE &&
                    asked->field <= MAILRAIL__TEXT_FIELD__TEXT_FIELD_SUBJECT;
    *ret = (struct text_needle){.field = (enum text_field)asked->field};
    if (!utf8_is_valid(word) || (!is_field && asked->field != 0))
        return;
    word = utf8_casefold(word, arena);
    if (word.len < (is_field ? 1 : TEXT_GRAM_SIZE))
        return;
    ret->word = word;
    if (!is_field)
        ret->gram_count = text_grams_of(word, ret->grams, ARRAY_LEN(ret->grams));
}

/* Runs of ascending ids. */
static bool reply_ids(const struct message_ids *ids, struct arena *arena, uint64_t **ret,
                      size_t *ret_count)
{
    size_t runs = 0, len = 0;
    for (size_t i = 0; i < ids->len; i++)
        runs += i == 0 || ids->items[i] != ids->items[i - 1] + 1;
    uint64_t *out = arena_new_array(arena, 2 * runs + 1, uint64_t), end = 0;
    for (size_t i = 0; out && i < ids->len; i++) {
        if (len == 0 || ids->items[i] != end) {
            out[len++] = ids->items[i] - end;
            out[len++] = 0;
        }
        out[len - 1]++;
        end = ids->items[i] + 1;
    }
    *ret = out;
    *ret_count = len;
    return out;
}

/* From first and count to distance and count. */
static bool reply_runs(const struct message_ids *runs, struct arena *arena, uint64_t **ret,
                       size_t *ret_count)
{
    uint64_t *out = arena_new_array(arena, runs->len + 1, uint64_t), end = 0;
    for (size_t i = 0; out && i + 1 < runs->len; i += 2) {
        out[i] = runs->items[i] - end;
        out[i + 1] = runs->items[i + 1];
        end = runs->items[i] + runs->items[i + 1];
    }
    *ret = out;
    *ret_count = runs->len;
    return out;
}

static bool reply_found(const struct text_found *found, const struct text_needle *needles,
                        size_t count, struct arena *arena, Mailrail__SearchTextReply *reply,
                        struct err *err)
{
    reply->hits = arena_new_array(arena, count + 1, Mailrail__TextHits *);
    bool ok = reply->hits && reply_runs(&found->indexed, arena, &reply->indexed, &reply->n_indexed);
    for (size_t i = 0; ok && i < count; i++) {
        Mailrail__TextHits *hits = arena_new(arena, Mailrail__TextHits);
        ok = hits != NULL;
        if (!ok)
            break;
        mailrail__text_hits__init(hits);
        reply->hits[reply->n_hits++] = hits;
        hits->known = needles[i].word.len > 0;
        hits->exact = needles[i].field != TEXT_ANYWHERE;
        ok = !hits->known || reply_ids(&found->hits[i], arena, &hits->ids, &hits->n_ids);
    }
    return ok || reply_no_room(err);
}

/* A damaged index is no reason to refuse a search: it knows nothing until it is made anew. */
static bool find(struct account *account, const struct text_needle *needles, size_t count,
                 struct text_found *ret, struct err *err)
{
    if (text_index_find(&account->text, needles, count, ret, err))
        return true;
    if (err->kind != ERR_CORRUPT)
        return false;
    log_warn(&account->store->log, "the text index is damaged", LOG_U64("account", account->id),
             LOG_ERR(err));
    text_worker_note_changed(account, true);
    text_found_release(ret, count);
    return text_index_find(&account->text, needles, count, ret, err);
}

bool text_search(struct account *account, const Mailrail__SearchTextRequest *request,
                 struct arena *arena, Mailrail__SearchTextReply *reply, struct err *err)
{
    size_t count = request->n_needles;
    struct text_found found;
    if (count > TEXT_NEEDLES_MAX)
        return err_set(err, ERR_LIMIT, "%zu words in one call", count);
    struct text_needle *needles = arena_new_array(arena, count + 1, struct text_needle);
    for (size_t i = 0; needles && i < count; i++)
        make_needle(request->needles[i], arena, &needles[i]);
    if (!needles || arena->exhausted)
        return reply_no_room(err);
    bool ok = find(account, needles, count, &found, err) &&
              reply_found(&found, needles, count, arena, reply, err);
    text_found_release(&found, count);
    return ok;
}
