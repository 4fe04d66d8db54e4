-- Hides addresses in texts: links, mentions, mail addresses, IP addresses and phone numbers become [link], [mention],
-- [email], [ip] and [phone]. The stage Publish makes this function, and the views in the schema marts call it.
--
-- No rule depends on the server's locale: ranges are of code points, capitals are spelled out, and \w, \d and \s are not
-- used. Letters are Latin, Greek and Cyrillic ones, so that no half of a name is left over. Functions and
-- types have their schema, and functions stand for operators: whoever reads a view could put others in front of them by
-- search_path, and those would be given the texts as they are.
--
-- The test in front of a rule lets pass at least what the rule finds. It costs little where its alternatives begin with
-- what is rare: PostgreSQL follows them afresh in each text.
--
-- Below, <<name>> stands for one of these parts of expressions, which masks.py puts in its place:
--
-- <<letter>> = A-Za-zÀ-ɏͰ-ӿ
-- <<word>> = <<letter>>0-9_
-- <<other form>> = ！-～٠-٩۰-۹
-- <<invisible>> = \u00AD\u200B\u2060\uFEFF
-- <<hex>> = 0-9A-Fa-f
-- <<octet>> = (?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])
-- <<mailbox>> = [<<word>>][<<word>>.%+&''=~-]*
-- <<label>> = [<<letter>>0-9-]+
-- <<domain>> = (?:<<label>>[.])+[<<letter>>][<<letter>>0-9-]*[<<letter>>]
-- <<top level>> = com|org|net|edu|gov|info|biz|app|dev|blog|shop|site|online|store|club|social|xyz
-- <<dot>> = [dD][oO][tT]
-- <<at in brackets>> = [[({<] ?(?:[aA][tT]|ät) ?[])}>]
-- <<end of link>> = [:space:]<>"“”«»　、。！？」』）】
-- <<rest of link>> = [^<<end of link>>]*[^<<end of link>>.,;:!?)''…*]
-- <<gap>> =  ()/\u00A0\u2010-\u2013-
-- <<digit>> = (?:[.<<gap>>]{0,3}[0-9])
-- <<cue>> = (?:<<Latin cue>>|[тТ]ел(?:ефон)?|电话|電話|☎|📞|📱)[ :.️]*(?:<<of number>>[ :.]*)*
-- <<Latin cue>> = [tT]el<<of tel>>?|TEL|[tT]él|[pP]hone|PHONE|[fF]on|[mM]obile?|[hH]andy(?:nummer)?|[cC]ell|[fF]ax|<<call>>
-- <<of tel>> = (?:efon|efono|éfono|ephone|efoon)
-- <<call>> = [wW]hats[aA]pp|WHATSAPP|[cC]all(?: me| us)?|[tT]ext(?: me| us)|[tT]lf
-- <<of number>> = (?:[nN]r|[nN]o|[nN]umber|[nN]ummer|at|on|is|ist|es)

create or replace function published.mask_text(unmasked text) returns text
language plpgsql immutable parallel safe as $function$
declare
    plain pg_catalog.text collate pg_catalog."C" := unmasked;
    masked pg_catalog.text collate pg_catalog."C";
    lower_case pg_catalog.text collate pg_catalog."C";
begin
    if plain is null or not pg_catalog.textregexeq(
        plain, '[@:./0-9<<other form>>]|[[({] ?(?:[aA][tT]|ät)|[ [({]<<dot>>'
    ) then
        return unmasked;
    end if;

    -- full-width and Arabic forms count as their ASCII ones, and what cannot be seen does not count
    if pg_catalog.textregexeq(plain, '[<<other form>><<invisible>>]') then
        plain := pg_catalog.translate(
            pg_catalog.regexp_replace(plain, '[<<invisible>>]', '', 'g'),
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
            '[A-Za-z][A-Za-z0-9+.-]*://<<rest of link>>',
            '[link]', 'g'
        );
    end if;

    if pg_catalog.int4gt(pg_catalog.strpos(masked, '@'), 0) then
        -- @name@host, as Mastodon has it
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^<<word>>@])@[<<word>>](?:[<<word>>.-]*[<<word>>])?'
            '@<<domain>>',
            '\1[mention]', 'g'
        );
        masked := pg_catalog.regexp_replace(
            masked,
            '<<mailbox>>'
            '@<<domain>>',
            '[email]', 'g'
        );
    end if;

    -- name (at) host (dot) com, name at host dot com, name at gmail.com
    if pg_catalog.int4gt(pg_catalog.strpos(masked, 'mail.'), 0) or pg_catalog.textregexeq(
        masked, '<<at in brackets>>|[ [({]<<dot>>[] )}]'
    ) then
        masked := pg_catalog.regexp_replace(
            masked,
            '<<mailbox>>(?:'
            ' ?<<at in brackets>> ?[A-Za-z0-9-]+'
            '(?:(?: ?[[({<] ?(?:<<dot>>|[pP]unkt|[pP]unto) ?[])}>] ?|[.]| <<dot>> )[A-Za-z0-9-]+)+'
            '| (?:[aA][tT]) [A-Za-z0-9-]+(?: <<dot>> | ?[[({<] ?<<dot>> ?[])}>] ?)'
            '(?:[cC][oO][mM]|[oO][rR][gG]|[nN][eE][tT]|de|fr|es|it|nl|pl|ru|co|uk|edu|io)(?![A-Za-z0-9])'
            '| (?:[aA][tT]) (?:gmail|googlemail|hotmail|protonmail|fastmail|ymail)[.][a-z]+)',
            '[email]', 'g'
        );
    end if;

    -- without a scheme: www., a host and a path, or a host that ends with what is seldom a word
    if pg_catalog.textregexeq(masked, '[wW][.]|[.][a-zA-Z]+[/:]|[<<letter>>0-9-][.][a-zA-Z]{2}|[.]рф') then
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^<<word>>@.-])(?:'
            '[wW][wW][wW][.]<<rest of link>>'
            '|(?:<<label>>[.])*[<<letter>>0-9-]*[<<letter>>][<<letter>>0-9-]*[.]'
            '(?:<<top level>>|live|link|page|cloud|news'
            '|[a-z]{2}|рф|COM|ORG|NET)(?::[0-9]+)?/(?:<<rest of link>>)?'
            '|(?:<<label>>[.])+(?:<<top level>>'
            '|au|br|ch|cn|cz|de|dk|eu|fi|fr|gr|hu|jp|kr|nl|nz|pl|pt|ru|ua|uk|рф)(?:[.][a-z]{2})?'
            '(?![<<word>>@]|[.-][A-Za-z0-9])(?:[?#:]<<rest of link>>)?'
            ')',
            '\1[link]', 'g'
        );
    end if;

    -- not a time or a price; a name in another script goes on to the next blank
    if pg_catalog.int4gt(pg_catalog.strpos(masked, '@'), 0) then
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^<<word>>@])@(?![0-9]{1,4}(?:[.:,][0-9]+)?(?:[aApP][mM]|[hkK])?(?![<<word>>]))(?:'
            '[<<word>>](?:[<<word>>@.-]*[<<word>>])?'
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
            '(?:<<octet>>[.]){3}<<octet>>'
            '(?![A-Za-z0-9_]|[.][0-9])',
            '[ip]', 'g'
        );
    end if;
    if pg_catalog.textregexeq(masked, '::|:[<<hex>>]+:[<<hex>>]+:') then
        masked := pg_catalog.regexp_replace(
            masked,
            '(?<![A-Za-z0-9_:.])(?=[<<hex>>:]*[0-9])(?:'
            '(?:[<<hex>>]{1,4}:){7}[<<hex>>]{1,4}'
            '|[<<hex>>]{3,4}(?::[<<hex>>]{1,4}){0,6}::(?:[<<hex>>]{1,4}(?::[<<hex>>]{1,4}){0,6})?)'
            '(?![A-Za-z0-9_:])',
            '[ip]', 'g'
        );
    end if;

    if not pg_catalog.textregexeq(masked, '[0-9](?:[.<<gap>>]*[0-9]){6}') then
        if pg_catalog.texteq(masked, plain) then
            return unmasked;
        end if;
        return masked;
    end if;

    -- a phone number after a word that announces it
    lower_case := pg_catalog.lower(masked);
    if pg_catalog.int4gt(
        greatest(
            pg_catalog.strpos(lower_case, 'tel'), pg_catalog.strpos(lower_case, 'él'), pg_catalog.strpos(lower_case, 'ел'),
            pg_catalog.strpos(lower_case, 'hone'), pg_catalog.strpos(lower_case, 'fon'),
            pg_catalog.strpos(lower_case, 'mobil'), pg_catalog.strpos(lower_case, 'handy'),
            pg_catalog.strpos(lower_case, 'cell'), pg_catalog.strpos(lower_case, 'fax'),
            pg_catalog.strpos(lower_case, 'hatsapp'), pg_catalog.strpos(lower_case, 'call'),
            pg_catalog.strpos(lower_case, 'text '), pg_catalog.strpos(lower_case, 'tlf'),
            pg_catalog.strpos(lower_case, '电话'), pg_catalog.strpos(lower_case, '電話'), pg_catalog.strpos(lower_case, '☎'),
            pg_catalog.strpos(lower_case, '📞'), pg_catalog.strpos(lower_case, '📱')
        ), 0
    ) and pg_catalog.textregexeq(masked, '<<cue>>[+(]?[0-9]') then
        masked := pg_catalog.regexp_replace(
            masked,
            '((?:^|[^<<letter>>])<<cue>>)'
            '(?![0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{2,4}(?![0-9]))'
            '[+(]?[0-9]<<digit>>{6,13}(?![A-Za-z0-9_]|[.,:/-][0-9])',
            '\1[phone]', 'g'
        );
    end if;

    -- +49 …, 0049 …; (030) …; 030 …, but no date and no six of a lottery; 06.12.34.56.78; North America; China; India;
    -- Russia
    if pg_catalog.textregexeq(
        masked,
        '(?:^|[^A-Za-z0-9])(?:'
        '[+(0](?:[.<<gap>>]*[0-9]){7}|[0-9]{3}[ .-][0-9]{3}|1[ .-][(2-9]|[0-9]{5} [0-9]{5}|8[ -]?[(]?9)'
    ) then
        masked := pg_catalog.regexp_replace(
            masked,
            '(^|[^<<word>>#+ ./,:$€£¥-]|(?:^|[^A-Za-z0-9])[./,:-]|(?:^|[^0-9$€£¥]) )(?:'
            '(?:[+]|00)[1-9]<<digit>>{8,14}'
            '|[(]0[1-9](?:[<<gap>>]{0,3}[0-9]){7,10}'
            '|0(?![0-9][-/ ][0-3][0-9][-/ ](?:19|20)[0-9]{2}(?![0-9])|[0-9](?: [0-9]{2}){5}(?![0-9]))'
            '[1-9](?:[<<gap>>]{0,3}[0-9]){7,10}'
            '|0[1-9](?:[.][0-9]{2}){4}'
            '|(?:1[ .-])?(?:[(][2-9][0-9]{2}[)] ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}'
            '|[(](?!(?:19|20)[0-9]{2}[)])[0-9]{2,5}[)] ?[0-9]{3,5}[ -]?[0-9]{3,5}'
            '|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}'
            '|[6-9][0-9]{4} [0-9]{5}'
            '|8[ -]?[(]?9[0-9]{2}[)]?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}'
            ')(?![<<word>>]|[-./,:][0-9])',
            '\1[phone]', 'g'
        );
    end if;

    if pg_catalog.texteq(masked, plain) then
        return unmasked;
    end if;
    return masked;
end
$function$;
