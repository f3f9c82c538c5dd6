mailrail_fuzz(cursor LINKS text)
mailrail_fuzz(option LINKS service)
