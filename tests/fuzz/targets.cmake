mailrail_fuzz(cursor LINKS text)
