/**
 * What text on the internet is made of: the content of the dictionary for packets. A packet alone is
 * too short for its own words to come back, so common ones are said beforehand.
 *
 * What is closest to the end is cheapest to refer to, so the commonest comes last. A changed byte
 * makes another dictionary, which peers that have this one do not understand: see `dictionary.ts`.
 */

const HTML = `
<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title></title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" type="text/css" href="/style.css"><style></style>
<script type="text/javascript" src="https://www.</script></head><body><header><nav><main><article>
<section id="</section></article></main></nav></header><footer></footer></body></html><h1 class="
</h1><h2 id="</h2><h3></h3><div class="</div><div id="<p class="</p><span class="</span><a class="
<a href="https://www.<a href="#</a></li><li><a href="/<ul><li class="</li></ul><ol></ol>
<table class="<thead><tr><th></th></tr></thead><tbody><tr><td class="</td><td></td></tr></tbody>
</table><img src="/images/.png" alt="" width="100" height="100"/><form action="/" method="post">
<input type="hidden" name="value=""/><button type="submit" class="</button></form>
<pre><code class="</code></pre><em></em><strong></strong><br />&nbsp;&amp;&quot;&lt;&gt;
 onclick="return false;" style="display:none;" target="_blank" rel="nofollow noopener" aria-label="
.container{margin:0 auto;padding:0;color:#fff;background-color:#000;border:1px solid;}
.button{font-size:14px;text-align:center;position:absolute;width:100%;height:100%;}
function(){var this.document.getElementById("const return new Error(await undefined);
if (typeof window!== null) { } else { for (let i = 0; i < length; i++) } export import default from
`;

const HTTP = `
HTTP/1.1 200 OK
Server: nginx
Date: Mon, 01 Jan 2024 00:00:00 GMT
Content-Type: text/html; charset=utf-8
Content-Type: application/json
Content-Length: 
Transfer-Encoding: chunked
Connection: keep-alive
Cache-Control: max-age=3600, public, no-cache
Last-Modified: 
ETag: "
Expires: 
Vary: Accept-Encoding
Set-Cookie: session=; path=/; HttpOnly; Secure; SameSite=Lax
Access-Control-Allow-Origin: *
Location: https://
GET /index.html HTTP/1.1
POST /api/v1/ HTTP/1.1
Host: www.example.com
User-Agent: Mozilla/5.0 (X11; Linux x86_64)
Accept: text/html,application/xhtml+xml,*/*;q=0.8
Accept-Language: en-US,en;q=0.5
Referer: https://
Authorization: Bearer 
<?xml version="1.0" encoding="UTF-8"?>
SELECT * FROM WHERE AND ORDER BY LIMIT INSERT INTO VALUES UPDATE SET 
`;

const LOGS = `
2024-01-01T00:00:00.000Z 2024-01-01 00:00:00,000 [INFO] 2024/01/01 00:00:00 [error] WARNING: ERROR
DEBUG info: warning: error: failed: systemd[1]: Started Session of user root. kernel: sshd[1000]:
Accepted publickey for from 10.0.0.1 port 443 ssh2 connection from 127.0.0.1 closed by remote host
192.168.1.1 - - [01/Jan/2024:00:00:00 +0000] "GET / HTTP/1.1" 200 - "-" "level=info msg="
timeout after request completed in ms status=200 duration=
`;

const JSON_TEXT = `
{"id":1,"name":"","type":"string","value":null,"data":[{"key":"","title":"","description":"","url":
"https://","created_at":"2024-01-01T00:00:00Z","updated_at":"","status":"active","enabled":true,
"visible":false,"count":0,"total":100,"items":[],"error":null,"message":"","code":200,"user":{
"email":"@example.com","level":"info","time":"},"path":"/","version":"1.0.0","size":0,"timestamp":
17}],"result":{"success":true,"properties":{}}}
    "id": "",
    "name": "",
    "type": "object",
    "description": "",
      "value": [
        {
          "
        },
        {
      ],
      "version": "1.0.0",
      "required": true,
      "default": false
`;

const NOUNS_AND_VERBS = folded(`
January February March April May June July August September October November December Monday
Tuesday Wednesday Thursday Friday Saturday Sunday English American British European German French
United States London New York university government president minister parliament congress
republic national international political economic military social public private local human
history century world war army police court law legal officer party election campaign policy
security energy environment climate industrial commercial financial market company business
industry production product price million billion percent tax bank trade income insurance
employment workers management director department committee council community society culture
religion education student teacher school college research science scientific scientist technology
medical medicine hospital doctor patient disease treatment health population family children
mother father brother sister daughter husband friend woman women people young person everyone
somebody nothing anything something everything whatever morning evening afternoon night tomorrow
yesterday today week month year summer winter spring weather mountain river island ocean water
forest garden village country street house building kitchen bedroom window door floor table letter
paper newspaper book story novel chapter author writer reader reading writing language literature
poetry theatre music musical film television picture photograph painting artist colour yellow
green white black red heart head face eyes hands shoulder mouth voice silence laughed smiled
looked walked turned stood sitting opened closed asked answered replied said thought knew heard
felt believed remembered forgotten wanted wished loved happened seemed appeared became remained
returned received carried brought caught bought taught fought followed arrived entered started
stopped finished continued decided agreed refused accepted expected suggested explained described
mentioned discussed considered recognized realized understood discovered developed produced
provided presented performed prepared prevented protected published purchased increased decreased
reduced improved changed replaced removed reached required requested reported represented
responsible reasonable remarkable suitable suddenly slowly quickly quietly immediately finally
eventually recently originally generally usually normally typically frequently occasionally
sometimes always never often perhaps probably certainly definitely obviously apparently actually
really quite rather almost nearly especially particularly specifically significantly relatively
effectively successfully directly completely entirely exactly approximately
`);

const ADJECTIVES = folded(`
difficult different difference important importance interest interesting beautiful wonderful
terrible dangerous comfortable serious strange famous popular powerful strong heavy light bright
dark cold warm hot clear clean empty quick slow early late modern ancient traditional natural
physical chemical biological mathematical electrical electronic mechanical professional personal
individual independent additional original official general special specific particular previous
following various several certain similar common simple single double complete correct incorrect
necessary unnecessary possible impossible available unavailable able unable likely unlikely true
false full large small long short high low great good better best bad worse wrong right left old
new next last final main major minor real free open whole experiment theory evidence analysis
result results knowledge experience existence presence influence reference sentence sequence
consequence consequently frequency efficiency emergency agency currency democracy quality quantity
activity ability possibility responsibility opportunity authority majority identity variety
property category strategy philosophy psychology biology geography photography economy ministry
memory factory victory territory
`);

const ENDINGS = folded(`
information application applications communication organization administration implementation
documentation configuration authentication authorization specification representation
transformation registration installation distribution redistribution contribution contributor
institution constitution solution resolution revolution operation operations cooperation
generation situation position condition conditions tradition addition edition competition
definition description subscription permission permissions commission discussion decision version
versions division expression impression compression connection connections collection selection
section direction protection introduction instruction instructions construction function functions
action actions transaction reaction attention intention invention convention mention question
questions suggestion option options exception reception perception interaction relation
relationship relationships membership ownership leadership development agreement requirement
requirements statement argument arguments document documents element elements moment movement
equipment measurement improvement establishment component components content contents comment
comments current currently parent permanent client clients sufficient efficient
`);

const LEGAL = folded(`
under the terms and conditions of this agreement, copyright notice, all rights reserved, licensed
under the license, without warranty of any kind, express or implied, liable for damages, liability,
hereby, provided that, subject to, permission to use, copy, modify and distribute the source code,
in accordance with, third parties, including but not limited to, except as required by law
`);

const COMPUTING = folded(`
computer program programs software hardware system systems network networks server servers service
services device devices machine process processes storage directory directories filename files
database command commands line interface keyboard screen windows button display menu message
messages error errors warning failure failed problem problems support supported default defaults
value values variable variables parameter parameters string strings character characters number
numbers integer object objects class classes method methods module modules package packages
library libraries feature features standard standards protocol address addresses internet website
browser email password username account key access control user users group groups project source
code example examples
`);

const SENTENCES = folded(`
for example, that is, such as the following: in order to make sure that you can be used to do
something with one of the most important things, as well as a number of other people who have been
able to see it on the other hand, it is not possible to find out whether or not there is a way of
using the same kind of thing at the same time, because of the fact that they did not want to go
back to their own place until the end of the day. According to a new report from the beginning of
the last century, as long as it has already been done, even if this does not mean that we should
not take part in it, at least in some cases, in addition to which it may be necessary to have more
than one, so that each of these must be the result of what would otherwise have become less than
half of the rest. In the middle of the night, the first time I had ever seen him, he was about to
leave; she could not help thinking that there would be no reason for her to come again, and when
they were through with it all, nobody knew what had happened before, after, between, during,
within, without, against, among, across, around, along, behind, below, beneath, beside, beyond,
above, under, toward towards, throughout, together with everything else. However, although though
therefore, instead of, despite, unless, since then, once again, and yet another, either way,
neither, perhaps rather than, up to date, just as much as, every, everyone, itself, himself,
herself, themselves, myself, yourself, ourselves, whose, whom, which is why this is the only thing
that really matters to us. Note that if you are using this, you will need to know how to do that.
When you want to change the way in which they are, you may also set it to the name of the file
that contains them. This means that it is allowed, but only if there are no others; otherwise the
value will be ignored by default. There are two of these, three, four, five, six, seven, eight,
nine, ten, hundred, thousand, million. We have seen that many of them were made by hand, and most
of those that are not in use would be lost. It can also be found in the form of a list of all that
has been said here. If any of the above should be true, then it is likely that we do not have
enough of it to begin with, and there is nothing to be done about that. What does it mean? You
don't have to; it doesn't matter, can't, won't, isn't, wasn't, didn't, couldn't, wouldn't, I'm,
I've, you're, we're, they're, it's, that's, there's, let's say what you think about this.
`);

const PHRASES = folded(`
to the public to be to have to make to take to give to find to work to keep to help to show to
tell to start to change to create to allow to provide to include to become to understand to
continue to return to remove to call to write to read to run to look at the for the first for this
for which for all for each from the from this from one with the with a with this with which with
their with his with an by the by a by using by this on the on a on this at the at all at this in
the in a in this in which in his in their in an into the into a over the over a as the as a as an
as it is the is a is not is an is to is that was the was a was not was in are the are not were the
were not has been has a have a have to had a had been will be would be can be could be should be
may be might be must be shall be not be been made being a that the that a that it that they that
this that you that we that he that are that can be if the if you if it if a when the when a when
it where the where it which the which are which can which was what is what the this is this was
these are they are they have they were there is there are there was it is it was it would it has
he was he had he said she was she had we have we can we are we will you can you have you are you
may you must I have I was I think and the and a and in and to and it and then and that and he and
other and their or the or a or to or more or other but the but it but not not the not to of a of
an of this of these of their of his of its of our of your of all of which of that of course of
such of the
`);

export const DICTIONARY_TEXT = [
  HTML,
  HTTP,
  LOGS,
  JSON_TEXT,
  NOUNS_AND_VERBS,
  ADJECTIVES,
  ENDINGS,
  LEGAL,
  COMPUTING,
  SENTENCES,
  PHRASES,
].join("");

/** Words that follow one another, whatever lines they stand on. */
function folded(words: string): string {
  return words.trim().replaceAll("\n", " ") + " ";
}
