-- Hides addresses in texts: links, mentions, mail addresses, IP addresses and phone numbers become [link], [mention],
-- [email], [ip] and [phone]. The stage Publish makes this function, and the views in the schema marts call it.
--
-- No rule depends on the server's locale: ranges are of code points, capitals are spelled out, and \w, \d and \s are not
-- used. Letters are Latin, Greek and Cyrillic ones (A-Za-zÀ-ɏͰ-ӿ), so that no half of a name is left over. Functions and
-- types have their schema, and functions stand for operators: whoever reads a view could put others in front of them by
-- search_path, and those would be given the texts as they are.

create or replace function published.mask_text(unmasked text) returns text
language plpgsql immutable parallel safe as $function$
declare
    plain pg_catalog.text collate pg_catalog."C" := unmasked;
    masked pg_catalog.text collate pg_catalog."C";
    phone constant pg_catalog.text collate pg_catalog."C" :=
        '(?:[+]|00)[1-9](?:[ ()./\u00A0\u2010-\u2013-]{0,3}[0-9]){8,14}'
        '|[(]?0[1-9](?:[ ()/\u00A0\u2010-\u2013-]{0,3}[0-9]){7,10}'
        '|0[1-9](?:[.][0-9]{2}){4}'
        '|(?:1[ .-])?(?:[(][2-9][0-9]{2}[)] ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}'
        '|[(][0-9]{2,5}[)] ?[0-9]{3,5}[ -]?[0-9]{3,5}'
        '|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}'
        '|[6-9][0-9]{4} [0-9]{5}'
        '|8[ -]?[(]?9[0-9]{2}[)]?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}';
begin
    if plain is null or not pg_catalog.textregexeq(
        plain, '[@:./0-9！-～٠-٩۰-۹]|[[({] ?(?:[aA][tT]|ät)|[ [({][dD][oO][tT]'
    ) then
        return unmasked;
    end if;

    -- full-width and Arabic forms count as their ASCII ones, and what cannot be seen does not count
    if pg_catalog.textregexeq(plain, '[！-～٠-٩۰-۹\u00AD\u200B\u2060\uFEFF]') then
        plain := pg_catalog.translate(
            pg_catalog.regexp_replace(plain, '[\u00AD\u200B\u2060\uFEFF]', '', 'g'),
            '０１２３４５６７８９٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹＠．：／＋－＿（）'
            'ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ',
            '012345678901234567890123456789@.:/+-_()'
            'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
        );
    end if;
    masked := plain;

    -- to the next blank, quote or bracket, without what ends a sentence
    if pg_catalog.int4gt(pg_catalog.strpos(masked, '://'), 0) then
        masked := pg_catalog.regexp_replace(
            masked,
            '[A-Za-z][A-Za-z0-9+.-]*://[^[:space:]<>"“”«»　、。！？」』）】]*'
            '[^[:space:]<>"“”«»　、。！？」』）】.,;:!?)''…*]',
            '[link]', 'g'
        );
    end if;

    if pg_catalog.int4gt(pg_catalog.strpos(masked, '@'), 0) then
        -- @name@host, as Mastodon has it
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^A-Za-z0-9_À-ɏͰ-ӿ@])@[A-Za-z0-9_À-ɏͰ-ӿ](?:[A-Za-z0-9_À-ɏͰ-ӿ.-]*[A-Za-z0-9_À-ɏͰ-ӿ])?'
            '@(?:[A-Za-z0-9À-ɏͰ-ӿ-]+[.])+[A-Za-zÀ-ɏͰ-ӿ][A-Za-z0-9À-ɏͰ-ӿ-]*[A-Za-zÀ-ɏͰ-ӿ]',
            '\1[mention]', 'g'
        );
        masked := pg_catalog.regexp_replace(
            masked,
            '[A-Za-z0-9_À-ɏͰ-ӿ][A-Za-z0-9_À-ɏͰ-ӿ.%+&''=~-]*'
            '@(?:[A-Za-z0-9À-ɏͰ-ӿ-]+[.])+[A-Za-zÀ-ɏͰ-ӿ][A-Za-z0-9À-ɏͰ-ӿ-]*[A-Za-zÀ-ɏͰ-ӿ]',
            '[email]', 'g'
        );
    end if;

    -- name (at) host (dot) com, name at host dot com, name at gmail.com
    if pg_catalog.textregexeq(masked, '[[({<] ?(?:[aA][tT]|ät) ?[])}>]|[ [({][dD][oO][tT][] )}]| (?:at|AT) [a-z]+mail[.]') then
        masked := pg_catalog.regexp_replace(
            masked,
            '[A-Za-z0-9_À-ɏͰ-ӿ][A-Za-z0-9_À-ɏͰ-ӿ.%+&''=~-]*(?:'
            ' ?[[({<] ?(?:[aA][tT]|ät) ?[])}>] ?[A-Za-z0-9-]+'
            '(?:(?: ?[[({<] ?(?:[dD][oO][tT]|[pP]unkt|[pP]unto) ?[])}>] ?|[.]| [dD][oO][tT] )[A-Za-z0-9-]+)+'
            '| (?:[aA][tT]) [A-Za-z0-9-]+(?: [dD][oO][tT] | ?[[({<] ?[dD][oO][tT] ?[])}>] ?)'
            '(?:[cC][oO][mM]|[oO][rR][gG]|[nN][eE][tT]|de|fr|es|it|nl|pl|ru|co|uk|edu|io)(?![A-Za-z0-9])'
            '| (?:[aA][tT]) (?:gmail|googlemail|hotmail|protonmail|fastmail|ymail)[.][a-z]+)',
            '[email]', 'g'
        );
    end if;

    -- without a scheme: www., a host and a path, or a host that ends with what is seldom a word
    if pg_catalog.textregexeq(masked, '[wW][.]|[.][a-zA-Z]+[/:]|[A-Za-z0-9À-ɏͰ-ӿ-][.][a-zA-Z]{2}|[.]рф') then
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^A-Za-z0-9_À-ɏͰ-ӿ@.-])(?:'
            '[wW][wW][wW][.][^[:space:]<>"“”«»　、。！？」』）】]*[^[:space:]<>"“”«»　、。！？」』）】.,;:!?)''…*]'
            '|(?:[A-Za-z0-9À-ɏͰ-ӿ-]+[.])*[A-Za-z0-9À-ɏͰ-ӿ-]*[A-Za-zÀ-ɏͰ-ӿ][A-Za-z0-9À-ɏͰ-ӿ-]*[.]'
            '(?:com|org|net|edu|gov|info|biz|app|dev|blog|shop|live|link|page|site|online|store|club|cloud|news|social|xyz'
            '|[a-z]{2}|рф|COM|ORG|NET)(?::[0-9]+)?/(?:[^[:space:]<>"“”«»　、。！？」』）】]*[^[:space:]<>"“”«»　、。！？」』）】.,;:!?)''…*])?'
            '|(?:[A-Za-z0-9À-ɏͰ-ӿ-]+[.])+(?:com|org|net|edu|gov|info|biz|app|dev|blog|shop|site|online|store|club|social|xyz'
            '|au|br|ch|cn|cz|de|dk|eu|fi|fr|gr|hu|jp|kr|nl|nz|pl|pt|ru|ua|uk|рф)(?:[.][a-z]{2})?'
            '(?![A-Za-z0-9_À-ɏͰ-ӿ@]|[.-][A-Za-z0-9])(?:[?#:][^[:space:]<>"“”«»　、。！？」』）】]*[^[:space:]<>"“”«»　、。！？」』）】.,;:!?)''…*])?'
            ')',
            '\1[link]', 'g'
        );
    end if;

    -- not a time or a price; a name in another script goes on to the next blank
    if pg_catalog.int4gt(pg_catalog.strpos(masked, '@'), 0) then
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^A-Za-z0-9_À-ɏͰ-ӿ@])@(?![0-9]{1,4}(?:[.:,][0-9]+)?(?:[aApP][mM]|[hkK])?(?![A-Za-z0-9_À-ɏͰ-ӿ]))(?:'
            '[A-Za-z0-9_À-ɏͰ-ӿ](?:[A-Za-z0-9_À-ɏͰ-ӿ@.-]*[A-Za-z0-9_À-ɏͰ-ӿ])?'
            '|[\u0500-\u1FFF\u2C00-\u2DFF\u3040-\uD7FF][A-Za-z0-9_\u0500-\u1FFF\u2C00-\u2DFF\u3040-\uD7FF]*)',
            '\1[mention]', 'g'
        );
    end if;

    if not pg_catalog.textregexeq(masked, '[0-9]') then
        if pg_catalog.texteq(masked, plain) then
            return unmasked;
        end if;
        return masked;
    end if;

    -- not the numbers of chapters and versions
    if pg_catalog.textregexeq(masked, '[0-9][.][0-9]+[.][0-9]+[.][0-9]') then
        masked := pg_catalog.regexp_replace(
            masked,
            '(?<![A-Za-z0-9_.]|[vV]ersion |[vV]er[.] |[bB]uild )(?=[0-9.]*[0-9]{2})'
            '(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
            '(?![A-Za-z0-9_]|[.][0-9])',
            '[ip]', 'g'
        );
    end if;
    if pg_catalog.textregexeq(masked, '::|:[0-9A-Fa-f]+:[0-9A-Fa-f]+:') then
        masked := pg_catalog.regexp_replace(
            masked,
            '(?<![A-Za-z0-9_:.])(?=[0-9A-Fa-f:]*[0-9])(?:'
            '(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}'
            '|[0-9A-Fa-f]{3,4}(?::[0-9A-Fa-f]{1,4}){0,6}::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?)'
            '(?![A-Za-z0-9_:])',
            '[ip]', 'g'
        );
    end if;

    if pg_catalog.textregexeq(masked, '[0-9](?:[ ()./\u00A0\u2010-\u2013-]*[0-9]){6}') then
        -- after a word that announces it
        masked := pg_catalog.regexp_replace(
            masked,
            '((?:^|[^A-Za-zÀ-ɏͰ-ӿ])'
            '(?:[tT]el(?:efon|efono|éfono|ephone|efoon)?|TEL|[pP]hone|PHONE|[fF]on|[mM]obile?|[hH]andy(?:nummer)?|[cC]ell|[fF]ax'
            '|[wW]hats[aA]pp|WHATSAPP|[cC]all(?: me| us)?|[tT]ext(?: me| us)|[tT]lf|[tT]él|[тТ]ел(?:ефон)?|电话|電話|☎|📞|📱)'
            '[ :.️]*(?:(?:[nN]r|[nN]o|[nN]umber|[nN]ummer|at|on|is|ist|es)[ :.]*)*)'
            '(?![0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{2,4}(?![0-9]))'
            '[+(]?[0-9](?:[ ()./\u00A0\u2010-\u2013-]{0,3}[0-9]){6,13}(?![A-Za-z0-9_]|[.,:/-][0-9])',
            '\1[phone]', 'g'
        );
    end if;

    -- +49 …, 0049 …; 030 …; (030) …; 06.12.34.56.78; North America; China; India; Russia
    if pg_catalog.textregexeq(masked, phone) then
        masked := pg_catalog.regexp_replace(
            masked,
            pg_catalog.concat(
                '(^|[^A-Za-z0-9_À-ɏͰ-ӿ#+ ./,:$€£¥-]|(?:^|[^A-Za-z0-9])[./,:-]|(?:^|[^0-9$€£¥]) )'
                '(?![0-3][0-9][-/ ][0-3][0-9][-/ ](?:19|20)[0-9]{2}(?![0-9])|[(](?:19|20)[0-9]{2}[)]|[0-9]{2}(?: [0-9]{2}){5}(?![0-9]))(?:',
                phone,
                ')(?![A-Za-z0-9_À-ɏͰ-ӿ]|[-./,:][0-9])'
            ),
            '\1[phone]', 'g'
        );
    end if;

    if pg_catalog.texteq(masked, plain) then
        return unmasked;
    end if;
    return masked;
end
$function$;
