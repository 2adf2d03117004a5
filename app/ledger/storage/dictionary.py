"""What packed transactions have in common, so that only what differs is kept of each.

Part of the stored format: without the very same bytes nothing that was packed can be read. Never change them; another
dictionary needs another version. Later parts are cheaper to refer to.
"""

from __future__ import annotations

_RARE = """lightrail_draft/lightrail_v1/lightrail_v2/vauchar/voucherify/vtex_giftcards/memory/USD/EUR/ARS/CLP/COP/0/3
"late, not counted","restored","going on","seen to","taken at once","promise broken","abandoned","decided","parked"
"accepted","unknown","refused","step done",null,"by hand","elsewhere","late","remainder","expired","sweeper"
"background","command","console","happened","did not happen","given up","pending","CardNotFound","CardUnusable"
"Conflict","Refused"
"{\"kind\": \"InsufficientFunds\", \"message\": \"the card does not hold enough\", \"evidence\": null}"
"data":{"balance":null,"expires":true,"locked":false},"receipt":{"reference":"","data":{"
"Credit","","credit","upfront","ledger","expired","vtex","detail":"
,"phone":"+5511","document":"","name":"da Silva dos Santos de Souza Oliveira Pereira Maria José João Ana Carlos"
@hotmail.com","@yahoo.com.br","@outlook.com","@icloud.com","email":"@gmail.com","
"""

_REVERSED = (
    '[["reversal","\x022",0,"\x04"","request"],"done",0,0,null,0,[{"verb":"look","amount":0,"receipt":{"balance":0}},'
    '{"verb":"void","amount":0,"reference":"\x01-1","receipt":{"reference":"\x022-1","balance":0}},'
    '{"verb":"refund","amount":0,"reference":"\x021-1","receipt":{"reference":"\x022-1","balance":0}}],1,null,null,null'
    '[["debit","\x01",0,"\x04!","request"],"done",0,0,null,null,[{"verb":"debit","amount":0,"receipt":{"reference":"'
)

_SETTLED = (
    ',["acme","\x05 ","Debit","\x04!",0,"mapper/0000000000000000/BRL/2","native",2592000000,"closed","1",2,null,0,null,'
    "null,null,null,null,259200"
    '],[[["debit","\x01",0,"\x04!","request"],"done",0,2,null,null,[{"verb":"hold","amount":0,"receipt":{"reference":"'
    '\x01-1","balance":0}}],1],[["capture","\x021",0,"\x04"","request"],"done",0,0,null,null,[{"verb":"capture",'
    '"amount":0,"reference":"\x01-1","receipt":{"reference":"\x021-1","balance":0}}],1]]'
    ',{"order_id":"v0org-01","description":"Order v0org-01","customer":{"key":"0","id":"\x05#","email":"@gmail.com",'
    '"document":"0","name":" "},"cart":{"total":0,"items":[{"id":"0","quantity":1,"unit_price":0},'
    '{"id":"2","quantity":1,"unit_price":1}]}}'
    ',[[0,"opened",null,"\x05$","\x01",1],[3,"done",null,"\x05$","\x01",1],[0,"opened",null,"\x05%","\x021",2],'
    '[0,"done",null,"\x05%","\x021",2]]]'
)

DICTIONARY = (_RARE + _REVERSED + _SETTLED).encode()
