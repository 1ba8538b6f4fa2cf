using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Alarms;
using KeyService.Server.Certificates;

namespace KeyService.Server.Hosting;

/// <summary>The files of the alarms' webhook: a secret that is one, and CAs that are valid. Nothing is posted.</summary>
internal static class WebhookCheck
{
    private const string Check = "alarms";

    public static IEnumerable<Finding> Run(WebhookConfiguration webhook, DateTimeOffset now)
    {
        yield return OfSecret(webhook.SecretFile);
        if (webhook.CaPath is { } path)
        {
            foreach (var finding in OfCas(path, now))
                yield return finding;
        }
    }

    private static Finding OfSecret(string path)
    {
        try
        {
            using var secret = WebhookSecret.Open(path);
            return Finding.Good(Check, $"{path} holds a secret for the webhook.");
        }
        catch (WebhookSecretException exception)
        {
            return Finding.Problem(Check, $"No alarm can be posted: {exception.Message}.", $"openssl rand -hex 32 > {path}; chmod 0600 {path}; give the receiver the same.");
        }
    }

    private static List<Finding> OfCas(string path, DateTimeOffset now)
    {
        var cas = new X509Certificate2Collection();
        try
        {
            cas.ImportFromPemFile(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return [Finding.Problem(Check, $"The webhook's CA {path} cannot be read: {exception.Message}", "Correct alarms.webhook.ca.")];
        }
        if (cas.Count == 0)
            return [Finding.Problem(Check, $"{path} holds no PEM certificate.", "Correct alarms.webhook.ca.")];
        return [.. cas.Select(ca => CertificateRules.EndsSoon(CertificateFacts.Of(ca), now)
            ? Finding.Warning(Check, $"The webhook's CA {ca.Subject} ends {ca.NotAfter.ToUniversalTime():u}.", $"Put its successor into {path} as well.")
            : Finding.Good(Check, $"The webhook's CA {ca.Subject} is valid to {ca.NotAfter.ToUniversalTime():u}."))];
    }
}
