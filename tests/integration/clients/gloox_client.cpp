/* SPDX-License-Identifier: MIT */
/*
 * gloox as a client of the matrix; line_protocol.py says what the lines mean.
 *
 * gloox resumes by itself when the same object connects again, which is the application's to do,
 * but a session only once. It never asks for an acknowledgement, so it learns what arrived when it
 * resumes, and it does not notice a silent network.
 */
#include "tests/integration/clients/line_protocol.h"

#include <fcntl.h>
#include <poll.h>

#include <string>

#include <gloox/client.h>
#include <gloox/connectionlistener.h>
#include <gloox/connectiontcpclient.h>
#include <gloox/connectiontls.h>
#include <gloox/loghandler.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>
#include <gloox/presence.h>
#include <gloox/presencehandler.h>
#include <gloox/tlsdefault.h>

/* gloox itself forgets what it is told to trust whenever it begins anew. */
class Tls : public gloox::TLSDefault
{
  public:
    Tls(gloox::TLSHandler *handler, const std::string &domain, const std::string &ca)
        : TLSDefault(handler, domain), ca(ca)
    {
    }

    bool init(const std::string &key, const std::string &chain, const gloox::StringList &) override
    {
        bool well = TLSDefault::init(key, chain);

        setCACerts({ca});
        return well;
    }

    void cleanup() override
    {
        TLSDefault::cleanup();
        setCACerts({ca});
    }

  private:
    std::string ca;
};

/* gloox does not say which server it means (SNI), so that it may be shown another host's name. */
class DirectTls : public gloox::ConnectionTLS
{
  public:
    DirectTls(gloox::Client *client, gloox::ConnectionBase *below, const std::string &ca)
        : ConnectionTLS(client, below, client->logInstance()), domain(client->jid().server()),
          ca(ca)
    {
    }

    void handleHandshakeResult(const gloox::TLSBase *base, bool success,
                               gloox::CertInfo &info) override
    {
        bool trusted = (info.status & ~gloox::CertWrongPeer) == gloox::CertOk;

        ConnectionTLS::handleHandshakeResult(base, success && trusted, info);
    }

  protected:
    gloox::TLSBase *getTLSBase(gloox::TLSHandler *handler, const std::string) override
    {
        return new Tls(handler, domain, ca);
    }

  private:
    std::string domain, ca;
};

class Alice : gloox::ConnectionListener,
              gloox::MessageHandler,
              gloox::PresenceHandler,
              gloox::LogHandler
{
  public:
    Alice(const std::string &jid, const std::string &password) : client(gloox::JID(jid), password)
    {
        client.setCompression(false);
        client.disableRoster();
        client.setPresence(gloox::Presence::Available, 0);
        client.setStreamManagement(true, true);
        client.registerConnectionListener(this);
        client.registerMessageHandler(this);
        client.registerPresenceHandler(this);
        client.logInstance().registerLogHandler(gloox::LogLevelWarning, gloox::LogAreaAll, this);
    }

    void go_to(const std::string &host, int port, bool direct, const std::string &ca)
    {
        tcp = new gloox::ConnectionTCPClient(&client, client.logInstance(), host, port);
        if (direct) {
            client.setConnectionImpl(new DirectTls(&client, tcp, ca));
        } else {
            Tls *above = new Tls(&client, client.jid().server(), ca);

            above->init("", "", {});
            client.setEncryptionImpl(above);
            client.setConnectionImpl(tcp);
        }
        client.setTls(direct ? gloox::TLSDisabled : gloox::TLSRequired);
        client.connect(false);
    }

    void send(const char *to, const char *body)
    {
        gloox::Message message(gloox::Message::Chat, gloox::JID(to), body);

        client.send(message);
    }

    int socket() const
    {
        return tcp->socket();
    }

    void receive()
    {
        client.recv(0);
    }

    /* Not within onDisconnect(), which still takes the old connection down. */
    void connect_again_if_lost()
    {
        if (!lost)
            return;
        lost = false;
        client.connect(false);
    }

  private:
    void onConnect() override
    {
        line_emit_online(client.jid().full().c_str(), resumed);
    }

    void onDisconnect(gloox::ConnectionError error) override
    {
        line_emit("disconnected", "reason", std::to_string(error).c_str(), NULL, NULL);
        if (error == gloox::ConnTlsFailed || error == gloox::ConnAuthenticationFailed)
            exit(1);
        resumed = false;
        lost = true;
    }

    bool onTLSConnect(const gloox::CertInfo &info) override
    {
        return info.status == gloox::CertOk;
    }

    void onStreamEvent(gloox::StreamEvent event) override
    {
        if (event == gloox::StreamEventSMResumed)
            resumed = true;
        if (event == gloox::StreamEventSMResumeFailed)
            line_emit("log", "text", "resumption failed", NULL, NULL);
    }

    void handleMessage(const gloox::Message &message, gloox::MessageSession *) override
    {
        if (!message.body().empty())
            line_emit("message", "from", message.from().full().c_str(), "body",
                      message.body().c_str());
    }

    void handlePresence(const gloox::Presence &presence) override
    {
        bool gone = presence.presence() == gloox::Presence::Unavailable;

        line_emit("presence", "from", presence.from().full().c_str(), "type",
                  gone ? "unavailable" : "");
    }

    void handleLog(gloox::LogLevel, gloox::LogArea, const std::string &text) override
    {
        fprintf(stderr, "gloox: %s\n", text.c_str());
    }

    gloox::Client client; /* owns its connection, and that what is below it */
    gloox::ConnectionTCPClient *tcp = nullptr;
    bool resumed = false;
    bool lost = false;
};

static std::string value_of(const char *line, const char *key)
{
    static char value[VALUE_MAX_BYTES];

    return line_value(line, key, value) ? value : "";
}

/* False when the program is to end. */
static bool obey(void *place, const char *line)
{
    Alice *&alice = *static_cast<Alice **>(place);
    const std::string name = value_of(line, "do"), ca = value_of(line, "ca");

    if (name == "connect") {
        alice = new Alice(value_of(line, "jid"), value_of(line, "password"));
        alice->go_to(value_of(line, "host"), std::stoi(value_of(line, "port")),
                     value_of(line, "tls") == "tls", ca);
    } else if (name == "send") {
        alice->send(value_of(line, "to").c_str(), value_of(line, "body").c_str());
    } else if (name == "status") {
        line_emit("status", NULL, NULL, NULL, NULL); /* gloox writes at once */
    }
    return name != "" && name != "quit";
}

int main()
{
    Alice *alice = nullptr;

    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    for (;;) {
        struct pollfd awaited[] = {{STDIN_FILENO, POLLIN, 0},
                                   {alice ? alice->socket() : -1, POLLIN, 0}};

        poll(awaited, 2, -1);
        if (awaited[1].revents)
            alice->receive();
        if (awaited[0].revents && !line_read(obey, &alice))
            return 0;
        if (alice)
            alice->connect_again_if_lost();
    }
}
