using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

public sealed class PageTokensTests
{
    private readonly PageTokens _tokens = new(SoftwareRows.Of());

    [Theory]
    [InlineData("")]
    [InlineData("ehr/records")]
    [InlineData("überschrift")]
    public async Task A_token_opens_to_its_cursor_for_the_same_list_and_filter(string cursor)
    {
        var token = await _tokens.SealAsync("ListGrants", "alice", cursor, CancellationToken.None);
        Assert.Equal(cursor, await _tokens.OpenAsync("ListGrants", "alice", token, CancellationToken.None));
    }

    [Fact]
    public async Task A_token_does_not_open_for_another_list_filter_or_installation_nor_changed()
    {
        var token = await _tokens.SealAsync("ListGrants", "alice", "cursor", CancellationToken.None);
        Assert.Null(await _tokens.OpenAsync("ListGrants", "bob", token, CancellationToken.None));
        Assert.Null(await _tokens.OpenAsync("ListPrincipals", "alice", token, CancellationToken.None));
        Assert.Null(await new PageTokens(SoftwareRows.Of(8)).OpenAsync("ListGrants", "alice", token, CancellationToken.None));
        for (var i = 0; i < token.Length; i++)
        {
            var changed = token.ToCharArray();
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            Assert.Null(await _tokens.OpenAsync("ListGrants", "alice", new string(changed), CancellationToken.None));
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("not base64 at all!")]
    [InlineData("AAAA")]
    public async Task Anything_else_does_not_open(string token) =>
        Assert.Null(await _tokens.OpenAsync("ListGrants", "", token, CancellationToken.None));

    [Fact]
    public async Task An_endless_token_does_not_open() =>
        Assert.Null(await _tokens.OpenAsync("ListGrants", "", new string('A', 100_000), CancellationToken.None));
}
