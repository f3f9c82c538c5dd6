// What thunderbird.py has Thunderbird do, with the rights of its own code: each function is called by name, with values
// that JSON can carry. A folder is named by its path below the account, as the user sees it: "ann/Work/Old".
const load = (path) => ChromeUtils.importESModule(`resource:///modules/${path}.sys.mjs`);
const { MailServices } = load("MailServices");

function serverOf(user) {
  const account = MailServices.accounts.accounts.find((each) => each.incomingServer.username.split("@")[0] === user);
  return account.incomingServer;
}

function findFolder(path) {
  const [user, ...names] = path.split("/");
  return names.reduce((folder, name) => folder?.subFolders.find((each) => each.name === name),
    serverOf(user).rootFolder);
}

function folderOf(path) {
  const folder = findFolder(path);
  if (!folder) {
    throw new Error(`there is no folder ${path}`);
  }
  return folder.QueryInterface(Ci.nsIMsgImapMailFolder);
}

function headersOf(path, uids) {
  const found = [...folderOf(path).messages].filter((header) => uids.includes(header.messageKey));
  if (found.length !== uids.length) {
    throw new Error(`of ${uids} only ${found.map((header) => header.messageKey)} are in ${path}`);
  }
  return found;
}

function failure(what, status) {
  return new Error(`${what} failed with 0x${(status >>> 0).toString(16)}`);
}

// A promise for the end of what start(listener) begins, with a listener for URLs.
function finished(what, start) {
  return new Promise((resolve, reject) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl: (_, status) => Components.isSuccessCode(status) ? resolve() : reject(failure(what, status)),
  }));
}

// The same with a listener for copies.
function copied(what, start) {
  return new Promise((resolve, reject) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    onStartCopy() {},
    onProgress() {},
    setMessageKey() {},
    getMessageId: () => null,
    onStopCopy: (status) => Components.isSuccessCode(status) ? resolve() : reject(failure(what, status)),
  }));
}

// All bytes of a stream, as a string of which each character is one.
function streamed(what, start) {
  let text = "";
  return new Promise((resolve, reject) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
    onStartRequest() {},
    onDataAvailable(_, stream, offset, count) {
      const input = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
      input.setInputStream(stream);
      text += input.readBytes(count);
    },
    onStopRequest: (_, status) => Components.isSuccessCode(status) ? resolve(text) : reject(failure(what, status)),
  }));
}

function fileOf(path) {
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(path);
  return file;
}

const ROLES = ["Inbox", "SentMail", "Drafts", "Trash", "Junk", "Archive", "Templates"];

const FUNCTIONS = {
  // Accounts.

  // A certificate authority, as PEM.
  trust(pem) {
    const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
    database.addCertFromBase64(pem.replace(/-----[^-]*-----|\s/g, ""), "CT,,");
  },

  // What the wizard does at its end. `options` by "incoming" and "outgoing".
  async addAccount(address, password, options) {
    const { AccountConfig } = load("accountcreation/AccountConfig");
    const { CreateInBackend } = load("accountcreation/CreateInBackend");
    const config = new AccountConfig();
    config.displayName = config.identity.realname = config.identity.emailAddress = address;
    for (const [side, type] of [["incoming", "imap"], ["outgoing", "smtp"]]) {
      Object.assign(config[side], { type, username: address, password, hostname: "localhost",
        socketType: Ci.nsMsgSocketType.SSL, auth: Ci.nsMsgAuthMethod.passwordCleartext, ...options[side] });
    }
    Object.assign(config.incoming, { checkInterval: 1000, loginAtStartup: false });
    config.outgoing.addThisServer = true;
    config.rememberPassword = true;
    const account = await CreateInBackend.createAccountInBackend(config);
    const server = account.incomingServer;
    server.QueryInterface(Ci.nsIImapIncomingServer);
    server.doBiff = false;
    for (const [name, value] of Object.entries(options.server ?? {})) {
      server[name] = value;
    }
  },

  // What opening the account in the list of folders does: those that the server does not name are forgotten.
  discover(user) {
    const root = serverOf(user).rootFolder;
    for (const folder of root.descendants) {
      folder.QueryInterface(Ci.nsIMsgImapMailFolder).verifiedAsOnlineFolder = false;
    }
    return finished("list folders", (listener) => MailServices.imap.discoverAllFolders(root, listener, null));
  },

  // The roles of all folders by path.
  folders(user) {
    const found = {};
    const add = (folder, path) => folder.subFolders.forEach((each) => {
      found[path + each.name] = ROLES.filter((role) => each.getFlag(Ci.nsMsgFolderFlags[role]));
      add(each, `${path}${each.name}/`);
    });
    add(serverOf(user).rootFolder, "");
    return found;
  },

  // Messages.

  // Begins to; a folder knows only one listener, and a copy to it would take the place of ours.
  update: (path) => folderOf(path).updateFolder(null),

  counts: (path) => ({ total: folderOf(path).getTotalMessages(false), unread: folderOf(path).getNumUnread(false) }),

  messages: (path) => [...folderOf(path).messages].map((header) => ({
    uid: header.messageKey,
    id: header.messageId,
    subject: header.mime2DecodedSubject,
    size: header.messageSize,
    read: header.isRead,
    flagged: header.isFlagged,
    replied: Boolean(header.flags & Ci.nsMsgMessageFlags.Replied),
    deleted: Boolean(header.flags & Ci.nsMsgMessageFlags.IMAPDeleted),
    offline: Boolean(header.flags & Ci.nsMsgMessageFlags.Offline),
    keywords: header.getStringProperty("keywords").split(" ").filter(Boolean),
  })),

  // Keeps all messages for when there is no network.
  async download(path) {
    folderOf(path).setFlag(Ci.nsMsgFolderFlags.Offline);
    await finished("download", (listener) => folderOf(path).downloadAllForOffline(listener, null));
  },

  // The bytes of messages.
  async sources(path, uids) {
    const sources = [];
    for (const header of headersOf(path, uids)) {
      const uri = folderOf(path).getUriForMsg(header);
      sources.push(await streamed("read", (listener) => MailServices.messageServiceFromURI(uri)
        .streamMessage(uri, listener, null, null, false, "", false)));
    }
    return sources;
  },

  // What a reader sees: the text, and the attachments by name.
  async read(path, uid) {
    const { MsgHdrToMimeMessage } = load("gloda/MimeMessage");
    const { NetUtil } = ChromeUtils.importESModule("resource://gre/modules/NetUtil.sys.mjs");
    const [header] = headersOf(path, [uid]);
    const message = await new Promise((resolve) => MsgHdrToMimeMessage(header, null, (_, mime) => resolve(mime), true));
    const attachments = {};
    for (const { name, url } of message.allUserAttachments) {
      const channel = NetUtil.newChannel({ uri: url, loadUsingSystemPrincipal: true });
      attachments[name] = btoa(await streamed("read attachment", (listener) => channel.asyncOpen(listener)));
    }
    return { text: message.coerceBodyToPlaintext(folderOf(path)), attachments };
  },

  // Changes.

  markRead: (path, uids, value) => folderOf(path).markMessagesRead(headersOf(path, uids), value),

  markFlagged: (path, uids, value) => folderOf(path).markMessagesFlagged(headersOf(path, uids), value),

  addTag: (path, uids, tag) => folderOf(path).addKeywordsToMessages(headersOf(path, uids), tag),

  removeTag: (path, uids, tag) => folderOf(path).removeKeywordsFromMessages(headersOf(path, uids), tag),

  copy: (from, uids, to, move) => copied("copy", (listener) => MailServices.copy.copyMessages(folderOf(from),
    headersOf(from, uids), folderOf(to), move, listener, null, false)),

  // As the key "delete" does.
  toTrash: (path, uids) => copied("delete", (listener) => folderOf(path)
    .deleteMessages(headersOf(path, uids), null, false, false, listener, false)),

  emptyTrash: (user) => finished("empty the trash", (listener) => serverOf(user).rootFolder
    .getFolderWithFlags(Ci.nsMsgFolderFlags.Trash).emptyTrash(listener)),

  append: (path, file, isDraft, flag) => copied("append", (listener) => MailServices.copy.copyFileMessage(fileOf(file),
    folderOf(path), null, isDraft, Ci.nsMsgMessageFlags[flag], "", listener, null)),

  // Folders; the answer of the server is not waited for.

  createFolder(path, name) {
    const [user, ...names] = path.split("/");
    const parent = names.length === 0 ? serverOf(user).rootFolder : folderOf(path);
    parent.createSubfolder(name, null);
  },

  renameFolder: (path, name) => folderOf(path).rename(name, null),

  deleteFolder: (path) => folderOf(path).deleteSelf(null),

  // The identifiers of the messages that the server finds.
  search(path, attribute, value) {
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    const term = session.createTerm();
    const termValue = term.value;
    termValue.attrib = term.attrib = Ci.nsMsgSearchAttrib[attribute];
    termValue.str = value;
    term.value = termValue;
    term.op = Ci.nsMsgSearchOp.Contains;
    term.booleanAnd = true;
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folderOf(path));
    session.appendTerm(term);
    const hits = [];
    return new Promise((resolve, reject) => {
      session.registerListener({
        QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
        onNewSearch() {},
        onSearchHit: (header) => hits.push(header.messageId),
        onSearchDone: (status) => Components.isSuccessCode(status) ? resolve(hits) : reject(failure("search", status)),
      }, Ci.nsIMsgSearchSession.allNotifications);
      session.search(null);
    });
  },

  // The network.

  // What was done without it is done for the server as soon as it is there again.
  setOffline(value) {
    Services.io.offline = value;
  },

  // Sends a file as the account's letter, with a copy to its folder for sent letters.
  send(user, to, file) {
    const account = MailServices.accounts.findAccountForServer(serverOf(user));
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    fields.from = account.defaultIdentity.email;
    fields.to = to;
    const sending = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    return copied("send", (listener) => sending.sendMessageFile(account.defaultIdentity, account.key, fields,
      fileOf(file), false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, {
        QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener", "nsIMsgCopyServiceListener"]),
        onStartSending() {},
        onSendProgress() {},
        onStatus() {},
        onStopSending: (_, status) => Components.isSuccessCode(status) || listener.onStopCopy(status),
        onGetDraftFolderURI() {},
        onSendNotPerformed() {},
        onTransportSecurityError() {},
        ...listener,
      }, ""));
  },
};
