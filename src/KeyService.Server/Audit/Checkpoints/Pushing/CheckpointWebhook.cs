using System.Net.Http.Headers;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;

namespace KeyService.Server.Audit;

/// <summary>One POST of the note over HTTPS. It proves itself, so nothing else signs it; of the answer only the status counts.</summary>
internal sealed class CheckpointWebhook(string name, Uri url, string? caPath) : ICheckpointDestination
{
    public string Name => name;

    public async Task<IReadOnlyList<NoteSignature>> PushAsync(PushedCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(checkpoint.Note.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("text/plain", "utf-8");
        var (status, _) = await CheckpointPosts.PostAsync(url, caPath, content, cancellationToken);
        return status is >= 200 and < 300 ? [] : throw new CheckpointPushException($"the receiver answered {status}");
    }
}

/// <summary>POSTs to those who hold checkpoints: ten seconds, and no more of the answer than a note's length.</summary>
internal static class CheckpointPosts
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <exception cref="CheckpointPushException">There was no answer.</exception>
    public static async Task<(int Status, byte[] Body)> PostAsync(Uri url, string? caPath, HttpContent content, CancellationToken cancellationToken)
    {
        try
        {
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limited.CancelAfter(Limit);
            using var client = OutboundHttp.NewClient(caPath, Limit);
            using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = content };
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("KeyService", SystemStatus.SystemRpcs.Version));
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limited.Token);
            var buffer = new byte[SignedNote.MaxLength];
            await using var body = await response.Content.ReadAsStreamAsync(limited.Token);
            var length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, limited.Token);
            return ((int)response.StatusCode, buffer[..length]);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && OutboundHttp.Explain(exception, Limit) is { } sentence)
        {
            throw new CheckpointPushException(sentence, cause: exception);
        }
    }
}
