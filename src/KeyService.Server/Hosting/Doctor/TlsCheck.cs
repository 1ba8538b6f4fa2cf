using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Certificates;

namespace KeyService.Server.Hosting;

/// <summary>The certificate files: readable, belonging together, valid, not too long-lived, the key private.</summary>
internal static class TlsCheck
{
    private const string Check = "tls";

    public static IEnumerable<Finding> Run(TlsConfiguration tls, ServerProfile profile, DateTimeOffset now)
    {
        TlsMaterial material;
        Finding? unusable = null;
        try
        {
            material = TlsMaterial.Load(tls, profile, now);
        }
        catch (TlsMaterialException exception)
        {
            unusable = Finding.Problem(Check, exception.Message,
                "Put a valid PEM certificate, its key and the client CA where tls.certificate, tls.privateKey and tls.clientCa say.");
            material = null!;
        }
        if (unusable is not null)
        {
            yield return unusable;
            yield break;
        }
        yield return OfEnd("server certificate", tls.CertificatePath, material.Certificate, now);
        foreach (var ca in material.ClientCas)
            yield return OfEnd($"client CA {ca.Subject}", tls.ClientCaPath, ca, now);
        if (CertificateFacts.Of(material.Certificate) is var facts && CertificateRules.LivesTooLong(facts))
        {
            yield return Finding.Warning(Check, $"The server certificate lives {facts.Life.TotalDays:0} days.",
                "Issue certificates for at most 12 months: losing a key then ends by itself. The production profile refuses it.");
        }
        if (!OperatingSystem.IsWindows()
            && (File.GetUnixFileMode(tls.PrivateKeyPath) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            yield return Finding.Problem(
                Check, $"Every user of this host can read or change {tls.PrivateKeyPath}.", $"chmod 0600 {tls.PrivateKeyPath}");
    }

    private static Finding OfEnd(string what, string path, X509Certificate2 certificate, DateTimeOffset now)
    {
        var end = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        if (end <= now)
            return Finding.Problem(Check, $"The {what} ended {end:u}.", $"Put a new one into {path}; a running server reads it by itself.");
        return CertificateRules.EndsSoon(CertificateFacts.Of(certificate), now)
            ? Finding.Warning(Check, $"The {what} ends {end:u}, in {(end - now).TotalDays:0} days.",
                $"Renew it and put it into {path}; a running server reads it by itself.")
            : Finding.Good(Check, $"The {what} is valid to {end:u}.");
    }
}
