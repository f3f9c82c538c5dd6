mailrail_fuzz(cursor LINKS text)
mailrail_fuzz(option LINKS service)
mailrail_fuzz(smtp_data LINKS smtp)
mailrail_fuzz(smtp_reply LINKS smtp)
