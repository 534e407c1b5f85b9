#!../../bin/mintkeep cgi
# The token endpoint. Upload this file beside your site with permissions 755, and
# the program, in binary mode and with permissions 755, to the place that line 1 names.
# Paths are seen from the folder of this file. The folder of the database must
# exist, be empty and lie outside what the web server shows.
database: ../../mintkeep/tokens.db
url: https://example.com/auth/token.cgi
endpoint: https://example.com/auth/
me: https://example.com/
# Nothing below this line needs a change.
