By0JH‘ξ8B—ƒ>ΒH7#Β#ªWΑx¦Αξ{¨AB)Β{A¦Acg«ΏηγΐÒΣVAυ"Α@!B¬™BΖσHΑΏ
RAlb£ΐqgΑ